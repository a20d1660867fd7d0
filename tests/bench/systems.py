"""What is measured: our proxy, the references, the peers; and the null servers behind them."""

import dataclasses
import mmap
import pathlib
import shutil
import struct
import subprocess

from machine import BenchError, free_port, listener_pid, start, stop, wait_for_port

CLIENT_CPU = 0  # load and null servers
PROXY_CPU = 1   # the one in the middle, alone

HAPROXY = """
global
    nbthread 1
    maxconn 8000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen null
    bind 127.0.0.1:{port}
    server source 127.0.0.1:{source}
"""


class NullServer:
    """A null server and its counters."""

    FIELDS = ("writes", "reads", "prepares", "others", "connections")

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, name: str, port: int, options):
        file = folder / f"{name}.counters"
        self.process = start(
            [program, "--port", port, "--counters", file, *options],
            CLIENT_CPU, stdout=subprocess.PIPE, text=True,
        )
        announced = self.process.stdout.readline()
        if not announced.startswith("port "):
            raise BenchError(f"the null server for the {name} did not start")
        self.port = int(announced.split()[1])
        with file.open("rb") as mapped:
            self._counters = mmap.mmap(mapped.fileno(), 8 * len(self.FIELDS), prot=mmap.PROT_READ)

    def count(self, field: str) -> int:
        return struct.unpack_from("=Q", self._counters, 8 * self.FIELDS.index(field))[0]


@dataclasses.dataclass
class System:
    """Something between client and servers. `dual`: it owes each write to the target."""

    name: str
    port: int
    pid: int
    dual: bool
    process: subprocess.Popen | None = None
    log: pathlib.Path | None = None

    def alive(self) -> bool:
        return pathlib.Path(f"/proc/{self.pid}").exists() and (
            self.process is None or self.process.poll() is None
        )

    def last_words(self) -> str:
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])


class Field:
    """Everything that one run starts, in a folder of its own."""

    def __init__(self, folder: pathlib.Path, build: pathlib.Path):
        self.folder = folder
        self._build = build
        self.source: NullServer | None = None
        self.target: NullServer | None = None
        self.systems: list[System] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for system in self.systems:
            if system.process is not None:
                stop(system.process)
        for server in (self.source, self.target):
            if server is not None:
                stop(server.process)

    def start_servers(self, source_port: int, target_port: int, options, target_options) -> None:
        program = self._build / "tests/bench/bench_null_server"
        self.source = NullServer(program, self.folder, "source", source_port, options)
        self.target = NullServer(
            program, self.folder, "target", target_port, [*options, *target_options]
        )

    def start_haproxy(self) -> None:
        if not shutil.which("haproxy"):
            raise BenchError("no haproxy, the reference: apt-get install haproxy")
        port = free_port()
        config = self.folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=port, source=self.source.port))
        self.add("haproxy", port, False, ["haproxy", "-db", "-f", config])

    def start_copier(self) -> None:
        port = free_port()
        self.add("copier", port, True, [
            self._build / "tests/bench/bench_copier", "--port", port,
            "--source-port", self.source.port, "--target-port", self.target.port,
        ])

    def start_proxy(self, name: str, program: pathlib.Path | str, flags: list[str]) -> None:
        port = free_port()
        state = self.folder / f"state-{name}"
        self.add(name, port, True, [
            program, "127.0.0.1", "127.0.0.1",
            "--source-port", self.source.port, "--target-port", self.target.port,
            "--proxy-port", port, "--metrics-port", free_port(), "--state-dir", state,
            "--disable-source-tls", "true", "--disable-target-tls", "true", *flags,
        ])

    def add_peer(self, text: str) -> None:
        """NAME=HOST:PORT[,PID]"""
        name, _, where = text.partition("=")
        address, _, pid = where.partition(",")
        host, _, port = address.rpartition(":")
        if not name or host not in ("127.0.0.1", "localhost") or not port.isdigit():
            raise BenchError(f"--peer {text}: want NAME=127.0.0.1:PORT or NAME=127.0.0.1:PORT,PID")
        wait_for_port(int(port), 120)
        self.systems.append(
            System(name, int(port), int(pid) if pid else listener_pid(int(port)), True)
        )

    def add(self, name: str, port: int, dual: bool, command: list) -> None:
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = start(command, PROXY_CPU, stdout=output, stderr=subprocess.STDOUT)
        system = System(name, port, process.pid, dual, process, log)
        self.systems.append(system)
        try:
            wait_for_port(port, 20, system.alive)
        except BenchError as error:
            raise BenchError(f"{name} does not serve:\n{system.last_words()}") from error
