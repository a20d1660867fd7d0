"""One node: its process, its log, its tools. Made by Bed.start(), or by Bed.node() from disk."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import time
from dataclasses import asdict
from pathlib import Path

from . import addresses, fetch, server, tools
from .cql import Cql
from .errors import BedError
from .process import Process, Spawner
from .spec import Node
from .tls import Authority

LOGIN = ("cassandra", "cassandra")


class RunningNode:
    """A node that was started, whether or not it runs now. Not for use from several threads."""

    def __init__(self, spec: Node, home: Path, seeds: list[str], ring_size: int,
                 jmx_port: int, lease: addresses.Lease | None = None,
                 process: Process | None = None):
        self.spec = spec
        self.home = home
        self.seeds = seeds
        self.ring_size = ring_size
        self.jmx_port = jmx_port
        self._lease = lease
        self._process = process

    name = property(lambda self: self.spec.name)
    address = property(lambda self: self.spec.address)
    port = property(lambda self: self.spec.port)
    version = property(lambda self: self.spec.version)
    pid = property(lambda self: self._process.pid if self._process else None)

    # --- life ---

    def launch(self, spawner: Spawner, detached: bool) -> None:
        """Starts the process; wait_ready() tells when it serves."""
        if self.running():
            raise BedError(f"{self.name} runs already (process {self.pid})")
        self._spawner, self._detached = spawner, detached
        if not self._lease:
            self._lease = addresses.take(self.address, self.port, self._owner())
        runtime = fetch.runtime(self.version)
        (self.home / "tmp").mkdir(parents=True, exist_ok=True)
        server.write_conf(self.spec, self.home, self.seeds, self._tls_files())
        command = server.java_command(
            self.spec, self.home, runtime, self.jmx_port, self.ring_size)
        with open(self.home / "output.log", "w") as output:
            popen = spawner.spawn(command, detached, cwd=self.home, stdin=subprocess.DEVNULL,
                                  stdout=output, stderr=subprocess.STDOUT,
                                  pass_fds=[self._lease.fd])
        self._process = Process.of(popen)
        self._save()

    def wait_ready(self, timeout_s: float = 90) -> "RunningNode":
        """Returns when the CQL port answers OPTIONS; with auth, when the login works; in a ring,
        when the node sees all others and agrees with them on the schema (so call it again on
        the node that ran a CREATE before using another)."""
        deadline = time.monotonic() + timeout_s
        last = "nothing yet"
        while time.monotonic() < deadline:
            if not self.running():
                raise BedError(self._died())
            try:
                if self._serves():
                    return self
                last = "not all nodes of the ring are there"
            except (OSError, BedError) as error:
                last = str(error)
            time.sleep(0.1)
        raise BedError(f"{self.name} was not ready after {timeout_s:.0f} s (last: {last}); "
                       f"its log ends:\n{self.log_tail()}")

    def stop(self, timeout_s: float = 60) -> None:
        """As an operator does (SIGTERM): the node drains and ends. Data stays."""
        if not self._process or not self.running():
            return
        self._process.signal(signal.SIGTERM)
        self._process.signal(signal.SIGCONT)
        if not self._process.wait(timeout_s):
            self._process.kill()
            raise BedError(f"{self.name} did not stop within {timeout_s:.0f} s and was killed; "
                           f"its log ends:\n{self.log_tail()}")

    def kill9(self) -> None:
        """As a power switch for the process: SIGKILL, no drain. Data on disk stays."""
        if self._process:
            self._process.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        self._must_run().pause()

    def resume(self) -> None:
        self._must_run().signal(signal.SIGCONT)

    def restart(self, spawner: Spawner | None = None,
                detached: bool | None = None) -> "RunningNode":
        """Stops the node if it runs, and starts it on the same data. Then call wait_ready()."""
        self.stop()
        spawner = spawner or getattr(self, "_spawner", None) or Spawner()
        self.launch(spawner, getattr(self, "_detached", False) if detached is None else detached)
        return self

    def close(self) -> None:
        """Ends the process at once and gives the address back. Data stays."""
        self.kill9()
        if self._lease:
            self._lease.release()
            self._lease = None

    # --- facts ---

    def running(self) -> bool:
        return bool(self._process) and self._process.running()

    def state(self) -> str:
        if not self.running():
            return "down"
        return "paused" if self._process.paused() else "up"

    def cpu_seconds(self) -> float:
        """Processor time of the current process, user and system."""
        return self._must_run().cpu_seconds()

    def memory_bytes(self) -> int:
        """Resident memory of the current process."""
        return self._must_run().memory_bytes()

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of the log, and of what the JVM itself printed."""
        text = []
        for name in ("system.log", "output.log"):
            path = self.home / name
            found = path.read_text(errors="replace").splitlines() if path.exists() else []
            text += [f"--- {name}"] + found[-lines:] if found else []
        return "\n".join(text) or "(no log yet)"

    # --- talking to it ---

    def authority(self) -> Authority:
        """The bed's CA; its folder holds ca.pem, wrong-ca.pem and the truststores."""
        java = fetch.runtime(self.version).java
        return Authority(self.home.parent / "tls", fetch.keytool(java))

    def ssl_context(self, wrong: bool = False) -> ssl.SSLContext | None:
        """Verifies the node by the bed's CA (or, for negative tests, by the wrong one)."""
        if not self.spec.tls:
            return None
        authority = self.authority()
        ca = authority.folder / ("wrong-ca.pem" if wrong else "ca.pem")
        context = ssl.create_default_context(cafile=str(ca))
        if self.spec.tls == "mutual":
            client = authority.client_files()
            context.load_cert_chain(client["certificate"], client["key"])
        return context

    def connect(self, timeout_s: float = 30) -> Cql:
        """The bed's own small client, logged in and encrypted as the node wants it."""
        return Cql(self.address, self.port, LOGIN if self.spec.auth else None,
                   self.ssl_context(), timeout_s)

    def query(self, text: str) -> list[tuple]:
        """One statement on a connection of its own; rows of raw bytes."""
        with self.connect() as cql:
            return cql.query(text)

    def driver_arguments(self) -> dict:
        """Keyword arguments for cassandra.cluster.Cluster (run under fetch.python())."""
        from cassandra.auth import PlainTextAuthProvider

        arguments = {"contact_points": [self.address], "port": self.port}
        if self.spec.auth:
            arguments["auth_provider"] = PlainTextAuthProvider(*LOGIN)
        if self.spec.tls:
            arguments["ssl_context"] = self.ssl_context()
        return arguments

    def nodetool(self, *arguments: str) -> str:
        """What nodetool printed; BedError when it failed."""
        return tools.nodetool(self, arguments)

    def sstabledump(self, table: str) -> list:
        """Partitions of "keyspace.table" in all its sstables, after a flush if the node runs."""
        return tools.sstabledump(self, table)

    # --- inside ---

    def _serves(self) -> bool:
        with Cql(self.address, self.port, None, self.ssl_context(), 5, startup=False) as cql:
            cql.options()
        if self.ring_size == 1 and not self.spec.auth:
            return True
        with self.connect(timeout_s=10) as cql:
            if self.ring_size == 1:
                return True
            peers = cql.query("SELECT schema_version FROM system.peers_v2")
            mine = cql.query("SELECT schema_version FROM system.local")
            return len(peers) >= self.ring_size - 1 and {*peers} == {*mine}

    def _died(self) -> str:
        code = self._process.exit_code() if self._process else None
        ended = "" if code is None else f" (exit code {code})"
        return f"{self.name} is not running{ended}; its log ends:\n{self.log_tail()}"

    def _must_run(self) -> Process:
        if not self._process or not self.running():
            raise BedError(self._died())
        return self._process

    def _owner(self) -> str:
        return f"node {self.name} in {self.home.parent}"

    def _tls_files(self) -> dict | None:
        return self.authority().server_files(self.address) if self.spec.tls else None

    def _save(self) -> None:
        state = {
            "spec": asdict(self.spec),
            "seeds": self.seeds,
            "ring_size": self.ring_size,
            "jmx_port": self.jmx_port,
            "pid": self._process.pid,
            "start_time": self._process.start_time,
        }
        partial = self.home / "node.json.new"
        partial.write_text(json.dumps(state, indent=2) + "\n")
        os.replace(partial, self.home / "node.json")

    @classmethod
    def load(cls, home: Path) -> "RunningNode":
        """The node whose folder this is, as its last start left it."""
        try:
            state = json.loads((home / "node.json").read_text())
        except FileNotFoundError:
            raise BedError(f"no node {home.name} in {home.parent}") from None
        spec = state["spec"] | {"java_options": tuple(state["spec"]["java_options"])}
        process = Process(state["pid"], state["start_time"])
        return cls(Node(**spec), home, state["seeds"], state["ring_size"], state["jmx_port"],
                   process=process)

    def purge(self) -> None:
        """Ends the node and removes its data."""
        self.close()
        shutil.rmtree(self.home)
