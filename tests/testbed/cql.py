"""The few words of CQL (native protocol v4) that the bed itself speaks; tests use a real driver."""

import socket
import ssl
import struct

from .errors import BedError

_OPTIONS, _STARTUP, _QUERY, _AUTH_RESPONSE = 0x05, 0x01, 0x07, 0x0F
_ERROR, _READY, _AUTHENTICATE, _SUPPORTED, _RESULT, _AUTH_SUCCESS = 0, 2, 3, 6, 8, 0x10
_ROWS = 2


class Cql:
    """One connection. With `auth` (user, password) it logs in; with `tls` it is encrypted."""

    def __init__(self, address: str, port: int, auth=None, tls: ssl.SSLContext | None = None,
                 timeout_s: float = 30, startup: bool = True):
        self._socket = socket.create_connection((address, port), timeout_s)
        try:
            if tls:
                self._socket = tls.wrap_socket(self._socket, server_hostname=address)
            if startup:
                self._start(auth)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        self._socket.close()

    def options(self) -> None:
        """Asks for OPTIONS; returns when the server answered SUPPORTED."""
        self._ask(_OPTIONS, b"", _SUPPORTED)

    def query(self, text: str) -> list[tuple]:
        """Runs one statement at consistency ONE. Rows of raw bytes (None for null)."""
        encoded = text.encode()
        body = struct.pack(">i", len(encoded)) + encoded + struct.pack(">HB", 1, 0)
        return _rows(self._ask(_QUERY, body, _RESULT)[1])

    def _start(self, auth) -> None:
        pairs = _string("CQL_VERSION") + _string("3.0.0")
        opcode, _ = self._ask(_STARTUP, struct.pack(">H", 1) + pairs, _READY, _AUTHENTICATE)
        if opcode == _READY:
            return
        if not auth:
            raise BedError("the node asks for a login but none was given")
        token = f"\0{auth[0]}\0{auth[1]}".encode()
        self._ask(_AUTH_RESPONSE, struct.pack(">i", len(token)) + token, _AUTH_SUCCESS)

    def _ask(self, opcode: int, body: bytes, *expected: int) -> tuple[int, bytes]:
        self._socket.sendall(struct.pack(">BBhBi", 4, 0, 0, opcode, len(body)) + body)
        _, flags, _, opcode, size = struct.unpack(">BBhBi", self._read(9))
        body = self._read(size)
        if flags & 0x08:
            body = _skip_warnings(body)
        if opcode == _ERROR:
            code, size = struct.unpack_from(">iH", body)
            raise BedError(f"CQL error 0x{code:04x}: {body[6:6 + size].decode()}")
        if opcode not in expected:
            raise BedError(f"CQL answer with opcode 0x{opcode:02x}, expected one of {expected}")
        return opcode, body

    def _read(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise ConnectionResetError("the server closed the connection")
            parts += part
        return parts


def _string(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _skip_warnings(body: bytes) -> bytes:
    (count,) = struct.unpack_from(">H", body)
    at = 2
    for _ in range(count):
        at += 2 + struct.unpack_from(">H", body, at)[0]
    return body[at:]


def _rows(body: bytes) -> list[tuple]:
    (kind,) = struct.unpack_from(">i", body)
    if kind != _ROWS:
        return []
    flags, columns = struct.unpack_from(">ii", body, 4)
    at = _skip_metadata(body, flags, columns)
    (count,) = struct.unpack_from(">i", body, at)
    at += 4
    rows = []
    for _ in range(count):
        row = []
        for _ in range(columns):
            (size,) = struct.unpack_from(">i", body, at)
            at += 4
            row.append(body[at:at + size] if size >= 0 else None)
            at += max(size, 0)
        rows.append(tuple(row))
    return rows


def _skip_metadata(body: bytes, flags: int, columns: int) -> int:
    """Where the rows begin."""
    at = 12
    if flags & 2:
        at += 4 + max(struct.unpack_from(">i", body, at)[0], 0)
    strings = 2 if flags & 1 else 0
    for column in range(columns + 1):
        names = strings if column == 0 else (1 if flags & 1 else 3)
        for _ in range(names):
            at += 2 + struct.unpack_from(">H", body, at)[0]
        if column > 0:
            at = _skip_type(body, at)
    return at


def _skip_type(body: bytes, at: int) -> int:
    (kind,) = struct.unpack_from(">H", body, at)
    at += 2
    if kind == 0x00:  # custom: its class name
        return _skip_string(body, at)
    if kind in (0x20, 0x22):  # list, set
        return _skip_type(body, at)
    if kind == 0x21:  # map
        return _skip_type(body, _skip_type(body, at))
    if kind == 0x31:  # tuple
        return _skip_fields(body, at, named=False)
    if kind == 0x30:  # UDT: keyspace, name
        return _skip_fields(body, _skip_string(body, _skip_string(body, at)), named=True)
    return at


def _skip_fields(body: bytes, at: int, named: bool) -> int:
    (count,) = struct.unpack_from(">H", body, at)
    at += 2
    for _ in range(count):
        at = _skip_type(body, _skip_string(body, at) if named else at)
    return at


def _skip_string(body: bytes, at: int) -> int:
    return at + 2 + struct.unpack_from(">H", body, at)[0]
