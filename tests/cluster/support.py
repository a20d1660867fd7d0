"""What every cluster test stands on: the binaries, two real nodes, a folder that goes away.

A test file runs alone: `DUALWRITE_BUILD=build python3 tests/cluster/test_X.py -v`. It continues
under the bed's Python, which has the Cassandra driver.
"""

import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from testbed import Bed, Node, fetch  # noqa: E402

try:
    import cassandra  # noqa: F401
except ImportError:
    interpreter = str(fetch.python())
    os.execv(interpreter, [interpreter, *sys.argv])

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile  # noqa: E402
from cassandra.policies import ConstantReconnectionPolicy, RoundRobinPolicy  # noqa: E402
from cassandra.query import tuple_factory  # noqa: E402

SCHEMA = ROOT / "docs/tutorial/schema.cql"


def program(name: str) -> str:
    """Path of one of our binaries in the build folder that DUALWRITE_BUILD names."""
    build = os.environ.get("DUALWRITE_BUILD")
    if not build:
        raise SystemExit("set DUALWRITE_BUILD to a build folder: meson setup build; "
                         "ninja -C build")
    folders = {"dualwrite-proxy": "src/proxy", "dualwrite": "src/cli"}
    path = Path(build).absolute() / folders[name] / name
    if not path.is_file():
        raise SystemExit(f"{path} is not there: ninja -C {build}")
    return str(path)


def run(command: list, timeout_s: float = 120, **kwargs) -> subprocess.CompletedProcess:
    """Runs to the end with its output as text, in a time limit."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=timeout_s, **kwargs)


def cluster(address: str, port: int = 9042, **options) -> Cluster:
    """A driver that comes back quickly after its node was away."""
    profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=30,
                               row_factory=options.pop("row_factory", tuple_factory))
    options.setdefault("protocol_version", 5)
    return Cluster([address], port=port, execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                   reconnection_policy=ConstantReconnectionPolicy(0.2, None),
                   connect_timeout=10, control_connection_timeout=10, **options)


def statements(path: Path) -> list[str]:
    """The statements of a CQL file, without its comments."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("--")]
    return [text.strip() for text in "\n".join(lines).split(";") if text.strip()]


def eventually(check, timeout_s: float = 30, every_s: float = 0.1):
    """What `check` returns once it is true; AssertionError with its last word after the time."""
    deadline = time.monotonic() + timeout_s
    while not (found := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout_s:.0f} s; the last answer: {found!r}")
        time.sleep(every_s)
    return found


class ClusterTest(unittest.TestCase):
    """Two real nodes for all tests of a class: `self.source`, `self.target`.

    A killed node that must not lose what it acknowledged says commitlog_sync="batch".
    """

    source_spec = Node("source")
    target_spec = Node("target")

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="dualwrite-cluster-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.bed = Bed(cls.folder / "bed")
        cls.addClassCleanup(cls.bed.close)
        cls.source, cls.target = cls.bed.up(cls.source_spec, cls.target_spec)

    def connect(self, address: str, port: int = 9042, **options):
        """A driver session, closed at the end of the test."""
        found = cluster(address, port, **options)
        self.addCleanup(found.shutdown)
        return found.connect()

    def sides(self, **options):
        """A session to the source and one to the target, past any proxy."""
        return (self.connect(self.source.address, **options),
                self.connect(self.target.address, **options))

    def both(self, text: str) -> None:
        """Runs a statement at the source and at the target."""
        self.source.query(text)
        self.target.query(text)
