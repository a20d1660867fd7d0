"""Programs that the runner starts: their output shown as it comes, and nothing left of them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_running: list[subprocess.Popen] = []


def adopt_orphans() -> None:
    """What our programs leave behind becomes our child, so that leftovers() can name it."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def run(command: list, limit_s: float, environment: dict | None = None,
        quiet: bool = False) -> tuple[int, str]:
    """Exit code and output. `quiet` shows the output only when the program fails."""
    process = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        env=os.environ | (environment or {}))
    _running.append(process)
    deadline = time.monotonic() + limit_s
    signal.signal(signal.SIGALRM, lambda *_: _end(process, "over its time limit"))
    signal.alarm(max(int(limit_s), 1))
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if not quiet:
                print(line, end="", flush=True)
        process.wait()
    finally:
        signal.alarm(0)
        process.stdout.close()
        _end(process)
        _running.remove(process)
    if quiet and process.returncode != 0:
        print("".join(lines[-100:]), end="", flush=True)
    if time.monotonic() > deadline:
        print(f"ended after its limit of {limit_s:.0f} s: {' '.join(map(str, command))}")
    return process.returncode, "".join(lines)


def end_all() -> None:
    for process in list(_running):
        _end(process)
    for pid, _ in _children():
        _kill(pid)


def leftovers() -> list[str]:
    """Processes that outlived the program that started them; they are ended here."""
    found = []
    deadline = time.monotonic() + 2
    while (children := _children()) and time.monotonic() < deadline:
        time.sleep(0.05)  # what was just told to end
    for pid, name in children:
        found.append(name)
        _kill(pid)
    return found


def _end(process: subprocess.Popen, why: str = "") -> None:
    """Its whole group: asked first, then made to."""
    if process.poll() is None:
        if why:
            print(f"{why}: process {process.pid}", flush=True)
        _signal_group(process, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass  # then the hard way
    _signal_group(process, signal.SIGKILL)
    process.wait()


def _signal_group(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # all of it has ended


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # it has ended


def _children() -> list[tuple[int, str]]:
    """Our children that run, with their command lines; those that have ended are reaped."""
    known = {process.pid for process in _running}
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in known:
            continue
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) != os.getpid():
                continue
            if state == "Z":
                os.waitpid(int(entry.name), 0)
                continue
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, ValueError):
            continue  # it ended while we looked
        found.append((int(entry.name), line[:200]))
    return found


if sys.platform != "linux":
    sys.exit("the tests run on Linux only")
