"""Loopback addresses: one per node, held by a lock that lives as long as the node's process."""

import errno
import fcntl
import os
import socket

from .errors import BedError
from .fetch import cache_dir

STORAGE_PORT = 7000
_LAST = 120


class Lease:
    """An address taken. Its lock is inherited by the node (pass_fds), so it outlives us if need be.
    """

    def __init__(self, address: str, file):
        self.address = address
        self._file = file

    @property
    def fd(self) -> int:
        return self._file.fileno()

    def release(self) -> None:
        self._file.close()


def take(address: str | None, port: int, owner: str) -> Lease:
    """Takes `address`, or with None the first 127.0.N.1 that nobody uses."""
    if address:
        lease, why = _try(address, port, owner)
        if not lease:
            raise BedError(f"{owner}: {why}; choose another address or stop what uses it")
        return lease
    for number in range(1, _LAST):
        lease, why = _try(f"127.0.{number}.1", port, owner)
        if lease:
            return lease
    raise BedError(f"{owner}: no free loopback address up to 127.0.{_LAST}.1; the last: {why}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _try(address: str, port: int, owner: str):
    folder = cache_dir() / "addresses"
    folder.mkdir(exist_ok=True)
    file = open(folder / address, "a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        return None, f"{address} is held by {holder or 'another node of a bed'}"
    for used in (port, STORAGE_PORT):
        why = _port_in_use(address, used)
        if why:
            file.close()
            return None, why
    file.truncate(0)
    file.write(f"{owner} (started by process {os.getpid()})\n")
    file.flush()
    return Lease(address, file), None


def _port_in_use(address: str, port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return f"{address} is no address of this machine (use 127.0.N.1)"
            if error.errno == errno.EADDRINUSE:
                return f"port {port} of {address} is in use by another program"
            return f"port {port} of {address} cannot be used: {error.strerror}"
    return None
