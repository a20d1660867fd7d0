"""One cell: one system, one shape, one kind of request, one protocol version."""

import dataclasses
import json
import pathlib
import subprocess
import time

from machine import BenchError, busy_seconds, cpu_seconds, start
from systems import CLIENT_CPU, Field, System

DRAIN_LIMIT_S = 30
LOAD_LIMIT_S = 60
CLIENT_BOUND = 0.93   # of the client's processor in use
PROXY_SPARE = 0.90    # of the proxy's processor in use, at most, for the client to be the limit


@dataclasses.dataclass(frozen=True)
class Shape:
    connections: int
    depth: int

    def __str__(self) -> str:
        return f"{self.connections}x{self.depth}"

    @staticmethod
    def parse(text: str) -> "Shape":
        connections, _, depth = text.partition("x")
        if not (connections.isdigit() and depth.isdigit() and int(connections) and int(depth)):
            raise BenchError(f"shape {text}: want CONNECTIONSxDEPTH, as 32x1")
        return Shape(int(connections), int(depth))


@dataclasses.dataclass
class Cell:
    system: str
    shape: str
    kind: str
    version: int
    block: int
    answered: int = 0
    errors: int = 0
    seconds: float = 0
    drain_seconds: float = 0
    proxy_cpu_seconds: float = 0
    client_share: float = 0    # of the client's processor: load and null servers
    proxy_share: float = 0     # of the proxy's
    foreign_share: float = 0   # of the machine: whoever else ran, and what the host took
    requests_per_second: float = 0
    p50_us: float = 0
    p99_us: float = 0
    p999_us: float = 0
    efficiency: float = 0      # requests per CPU second of the system
    problem: str = ""          # why this cell counts for nothing


class Bench:
    def __init__(self, field: Field, load: pathlib.Path, spinner_pids, warmup_ms, window_ms):
        self._field = field
        self._load = load
        self._spinners = spinner_pids
        self._warmup_ms = warmup_ms
        self._window_ms = window_ms

    def cell(
        self, system: System, shape: Shape, kind: str, version: int, block: int, value_bytes: int
    ) -> Cell:
        cell = Cell(system.name, str(shape), kind, version, block)
        load = start(
            [self._load, "--port", system.port, "--conns", shape.connections,
             "--depth", shape.depth, "--kind", kind, "--version", version, "--bytes", value_bytes,
             "--warmup-ms", self._warmup_ms, "--window-ms", self._window_ms],
            CLIENT_CPU, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )
        try:
            if load.stdout.readline().strip() != "ready":
                return self._failed(cell, system, load.communicate()[1])
            self._run(cell, system, load)
        finally:
            if load.poll() is None:
                load.kill()
            load.wait()
        return cell

    def _run(self, cell: Cell, system: System, load: subprocess.Popen) -> None:
        servers = [self._field.source.process.pid, self._field.target.process.pid]
        # Where a write may still be on its way to the target, it is not the next cell's to pay.
        before = {pid: cpu_seconds(pid) for pid in [system.pid, *servers, *self._spinners]}
        busy = busy_seconds()
        writes = self._field.source.count("writes"), self._field.target.count("writes")
        began = time.monotonic()
        load.stdin.write("go\n")
        load.stdin.flush()
        try:
            output, complaint = load.communicate(timeout=LOAD_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._failed(cell, system, f"the load did not end within {LOAD_LIMIT_S} s")
            return
        if load.returncode != 0:
            self._failed(cell, system, complaint)
            return
        answer = json.loads(output)
        if not system.alive():
            self._failed(cell, system, "it ended")
            return
        lost = self._drain(system, cell.kind, writes, answer["answered"])
        elapsed = time.monotonic() - began
        used = {pid: cpu_seconds(pid) - start for pid, start in before.items()}
        known = sum(used.values()) + answer["cpu_seconds"]

        cell.answered = answer["answered"]
        cell.errors = answer["errors"]
        cell.seconds = answer["seconds"]
        cell.drain_seconds = elapsed - answer["seconds"]
        cell.proxy_cpu_seconds = used[system.pid]
        cell.client_share = (
            sum(used[pid] for pid in servers) + answer["cpu_seconds"]
        ) / answer["seconds"]
        cell.proxy_share = used[system.pid] / answer["seconds"]
        cell.foreign_share = max(0.0, busy_seconds() - busy - known) / (2 * elapsed)
        cell.requests_per_second = answer["window_answered"] / answer["window_seconds"]
        cell.p50_us, cell.p99_us, cell.p999_us = (
            answer[f"{name}_us"] for name in ("p50", "p99", "p999")
        )
        cell.efficiency = cell.answered / cell.proxy_cpu_seconds
        if cell.errors:
            cell.problem = f"{cell.errors} errors, the first: {answer['first_error']}"
        elif lost:
            cell.problem = lost
        elif cell.client_share > CLIENT_BOUND and cell.proxy_share < PROXY_SPARE:
            cell.problem = (
                f"client-bound: {cell.client_share:.0%} of the client's processor, "
                f"{cell.proxy_share:.0%} of the proxy's"
            )

    def _drain(self, system: System, kind: str, before: tuple, answered: int) -> str:
        """Waits until the target has all writes; says what is missing. Its cost counts."""
        if kind == "read":
            return ""
        source, target = self._field.source, self._field.target
        if source.count("writes") - before[0] != answered:
            return f"the source got {source.count('writes') - before[0]} of {answered} writes"
        if not system.dual:
            return ""
        until = time.monotonic() + DRAIN_LIMIT_S
        while target.count("writes") - before[1] < answered and time.monotonic() < until:
            time.sleep(0.002)
        got = target.count("writes") - before[1]
        return "" if got == answered else f"the target got {got} of {answered} writes"

    @staticmethod
    def _failed(cell: Cell, system: System, complaint: str) -> Cell:
        cell.problem = complaint.strip() or "the load generator ended"
        if not system.alive():
            cell.problem += f"; {system.name} is gone: {system.last_words()}"
        return cell
