"""What a caller asks for: the description of one node."""

from dataclasses import dataclass, field

from .errors import BedError

VERSIONS = ("5.0.8", "4.1.10", "4.0.18")


@dataclass(frozen=True)
class Node:
    """What to start. Everything but the name has a default.

    address            loopback address (127.0.N.1); None takes the first one nobody uses.
    auth               password authentication and authorization; role cassandra/cassandra.
    tls                True: CQL over TLS only (certificate from the bed's own CA).
                       "mutual": clients must show a certificate too.
    heap               java heap; the process needs about 400 MB more.
    commitlog_sync     "periodic" as by default in Cassandra: a write acknowledged in the last
                       100 ms or so before kill9() may be lost. "batch" never loses one.
    jit                "quick" is C1 only and the serial collector: cheap starts, for tests.
                       "full" is C2 and G1 as in production: for benchmarks.
    config             further settings for cassandra.yaml; they win over ours.
    java_options       further JVM options, last on the command line.
    """

    name: str
    version: str = "5.0.8"
    address: str | None = None
    port: int = 9042
    auth: bool = False
    tls: bool | str | None = None
    heap: str = "512M"
    num_tokens: int = 16
    cluster_name: str | None = None
    dc: str = "datacenter1"
    rack: str = "rack1"
    commitlog_sync: str = "periodic"
    jit: str = "quick"
    config: dict = field(default_factory=dict)
    java_options: tuple = ()

    def check(self) -> None:
        """Refuses what could never start, before anything is downloaded or written."""
        if self.version not in VERSIONS:
            raise BedError(f"{self.name}: version {self.version!r} is none of {VERSIONS}")
        if self.tls not in (None, False, True, "mutual"):
            raise BedError(f"{self.name}: tls is {self.tls!r}; give True, 'mutual' or nothing")
        if self.jit not in ("quick", "full"):
            raise BedError(f"{self.name}: jit is {self.jit!r}; give 'quick' or 'full'")
        if self.commitlog_sync not in ("periodic", "batch"):
            raise BedError(f"{self.name}: commitlog_sync is {self.commitlog_sync!r}; "
                           "give 'periodic' or 'batch'")
        if not self.name or not self.name.replace("-", "").replace("_", "").isalnum():
            raise BedError(f"{self.name!r} is no name for a node: letters, digits, - and _ only")
