"""Processes: starting them so that they cannot outlive us, and facts from /proc by process id."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")

# Asks the kernel to kill this process when its parent dies, then becomes the program.
_DIE_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Spawner:
    """Starts processes from one thread that lives as long as this process.

    PR_SET_PDEATHSIG speaks of the parent's *thread*: a child of a short-lived thread would be
    killed when that thread ends.
    """

    def __init__(self):
        self._jobs = queue.Queue()
        threading.Thread(target=self._serve, name="bed-spawner", daemon=True).start()

    def spawn(self, command: list, detached: bool, **kwargs) -> subprocess.Popen:
        """Popen in a session of its own; killed with this process unless `detached`."""
        if not detached:
            command = [sys.executable, "-ISc", _DIE_WITH_PARENT, str(os.getpid()), *command]
        answer = queue.Queue()
        self._jobs.put((command, kwargs, answer))
        result = answer.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def _serve(self):
        while True:
            command, kwargs, answer = self._jobs.get()
            try:
                answer.put(subprocess.Popen(command, start_new_session=True, **kwargs))
            except BaseException as error:  # handed to the caller, raised there
                answer.put(error)


class Process:
    """A process by id and start time, so that an id used again is never taken for ours."""

    def __init__(self, pid: int, start_time: int, popen: subprocess.Popen | None = None):
        self.pid = pid
        self.start_time = start_time
        self._popen = popen

    @classmethod
    def of(cls, popen: subprocess.Popen) -> "Process":
        fields = _stat(popen.pid)
        return cls(popen.pid, int(fields[19]) if fields else 0, popen)

    def running(self) -> bool:
        """False only when the last thread has ended: until then its sockets are open."""
        if self._popen:
            return self._popen.poll() is None
        fields = _stat(self.pid)
        if not fields or int(fields[19]) != self.start_time:
            return False
        return fields[0] not in "ZX" or len(_threads(self.pid)) > 1

    def paused(self) -> bool:
        """True when every thread is stopped; a signal takes a moment to stop all of them."""
        states = _threads(self.pid)
        return self.running() and bool(states) and set(states) == {"T"}

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)
        while self.running() and not self.paused():
            time.sleep(0.005)

    def signal(self, number: int) -> None:
        """To the whole session (its process group); nothing happens when it is gone."""
        if not self.running():
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass  # it ended between the two lines, which is what a signal may meet

    def wait(self, timeout_s: float) -> bool:
        """True when it has ended within the time."""
        deadline = time.monotonic() + timeout_s
        while self.running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait(10)

    def exit_code(self) -> int | None:
        return self._popen.poll() if self._popen else None

    def cpu_seconds(self) -> float:
        """User and system time so far; 0.0 when the process is gone."""
        fields = _stat(self.pid) if self.running() else None
        return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0

    def memory_bytes(self) -> int:
        """Resident memory; 0 when the process is gone."""
        try:
            text = Path(f"/proc/{self.pid}/statm").read_text()
        except OSError:
            return 0
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") if self.running() else 0


def _threads(pid: int) -> list[str]:
    """The state of each thread."""
    states = []
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            states.append(path.read_text().rpartition(")")[2].split()[0])
        except OSError:
            continue  # that thread has just ended
    return states


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; the program's name before it may hold blanks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
