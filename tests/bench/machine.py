"""Processes and processors: what they used, where they run, what keeps the processors awake."""

import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """Something without which there is no measurement; the text is for the operator."""


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads of `pid`, system time and its share of interrupts included."""
    total = 0
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += int((task / "schedstat").read_text().split()[0])
    except FileNotFoundError as error:
        raise BenchError(f"process {pid} is gone") from error
    return total / 1e9


def busy_seconds() -> float:
    """Processor time that anybody used, or that the host took, since the machine started."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) * TICK_S


def memory_kib(pid: int) -> int:
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1])
    raise BenchError(f"no memory figure of process {pid}")


def listener_pid(port: int) -> int:
    """The process that listens on `port`."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for descriptor in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(descriptor) in inodes:
                return int(descriptor.parts[2])
    raise BenchError(f"nobody listens on port {port}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, limit_s: float, alive=lambda: True) -> None:
    until = time.monotonic() + limit_s
    while time.monotonic() < until and alive():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise BenchError(f"nothing answers on port {port}")


def start(command: list, cpu: int, **options) -> subprocess.Popen:
    """A process that runs on one processor and ends with us, however we end."""
    parent = os.getpid()
    library = ctypes.CDLL(None)

    def prepare() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
        os.sched_setaffinity(0, {cpu})

    return subprocess.Popen([str(part) for part in command], preexec_fn=prepare, **options)


def stop(process: subprocess.Popen, limit_s: float = 5) -> None:
    process.terminate()
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


SPINNER = """
import os
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while True:
    pass
"""


@contextlib.contextmanager
def spinners(wanted: bool):
    """Keeps each processor from halting: waking a halted virtual one takes up to milliseconds.

    They run at idle priority, so whoever has work takes the processor from them at once.
    """
    processes = []
    try:
        if wanted:
            for cpu in sorted(os.sched_getaffinity(0)):
                processes.append(start([sys.executable, "-c", SPINNER], cpu))
        yield [process.pid for process in processes]
    finally:
        for process in processes:
            stop(process)
