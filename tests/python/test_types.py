"""The stubs: equal to what is there (stubtest), and right for users under mypy --strict."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

# The classes of pybind11 have a metaclass of its own, which no stub can name.
ALLOWED = "dualwrite\\._dualwrite\\.(Conf|Job|Proxy)\n"

GOOD = """\
import datetime
import dualwrite

def migrate(source: str, target: str) -> int:
    with dualwrite.Proxy(source, target, threads=2, drain_limit=datetime.timedelta(seconds=5),
                         log=lambda level, text: print(level, text)) as proxy:
        left: int = proxy.progress().backlog_writes
        with dualwrite.copy(source, target, "shop", tables=["orders"]) as job:
            while not job.wait(1.0):
                print(job.progress().done_fraction, job.progress().eta_s)
        report: dict[str, object] = dualwrite.check(source, target)
        print(report, proxy.port, proxy.status()["lag_ms"])
    return left

try:
    statement = dualwrite.classify("INSERT INTO k.t (a) VALUES (1)")
    for child in statement.children:
        print(child.table or "", child.ttl_s)
    envelope = dualwrite.parse_envelope(b"", 1024)
    if envelope is not None:
        print(envelope.stream_id + 1)
    print([key.name for key in dualwrite.keys("copy")])
except dualwrite.ConfigError as error:
    print(error.code, error.code_name)
"""
# Each line has one mistake.
WRONG = """\
import dualwrite
dualwrite.classify(b"SELECT")
dualwrite.Proxy("a")
dualwrite.parse_envelope(b"", 1).body
dualwrite.keys("cpoy")
dualwrite.validate("a", "b", "k").progress().row
dualwrite.Proxy("a", "b", threads=1.5)
"""


def run_mypy(*words: str) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True,
                              cwd=folder, timeout=200)


class Types(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def check(self, text: str) -> subprocess.CompletedProcess:
        file = self.folder / "program.py"
        file.write_text(text)
        return run_mypy("mypy", "--strict", "--no-incremental", str(file))

    def test_the_stubs_are_what_is_there(self):
        allowed = self.folder / "allowed"
        allowed.write_text(ALLOWED)
        done = run_mypy("mypy.stubtest", "dualwrite", "--allowlist", str(allowed))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_program_that_is_right_has_no_error_under_strict(self):
        done = self.check(GOOD)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_mistake_is_found(self):
        done = self.check(WRONG)
        found = {line.split(":")[1] for line in done.stdout.splitlines() if ": error:" in line}
        expected = {str(number) for number in range(2, len(WRONG.splitlines()) + 1)}
        self.assertEqual(found, expected, done.stdout)


if __name__ == "__main__":
    unittest.main()
