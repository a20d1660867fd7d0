"""Runs a program with the fake engine (tests/support/fake_engine.cpp) and looks at what it does."""

import os
import subprocess
import sys
import tempfile
import time
import unittest

LIMIT_S = 20
PROXY, CLI = sys.argv[1:3] if len(sys.argv) >= 3 else ("", "")


def clean_environment(**extra: str) -> dict[str, str]:
    """Ours without what would change defaults."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("DUALWRITE_", "FAKE_")) and name != "STATE_DIRECTORY"}
    return {**kept, **extra}


class ProgramTest(unittest.TestCase):
    program = ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_program(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.program, *words], capture_output=True, text=True,
                              timeout=LIMIT_S, env=clean_environment(**environment))

    def start(self, *words: str, **environment: str) -> "Running":
        running = Running([self.program, *words], clean_environment(**environment))
        self.addCleanup(running.close)
        return running


class Running:
    """A program in the background; its standard error is read as it comes."""

    def __init__(self, command: list[str], environment: dict[str, str]):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=environment)
        self.seen = ""

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while text not in self.seen:
            line = self.process.stderr.readline()
            if not line or time.monotonic() > deadline:
                raise AssertionError(f"no {text!r} in:\n{self.seen}")
            self.seen += line

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def finish(self) -> int:
        out, errors = self.process.communicate(timeout=LIMIT_S)
        self.out = out
        self.seen += errors
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def main() -> None:
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
