"""A proxy under test: started as documented, watched through its HTTP port, killed at will."""

import json
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from support import program
from testbed.process import Spawner

_spawner = None


def spawner() -> Spawner:
    """Children of it end with this process, however it ends."""
    global _spawner
    _spawner = _spawner or Spawner()
    return _spawner


def free_port(wanted: int = 0) -> int:
    """`wanted` if it is free; else one that no outgoing connection takes while a killed proxy is
    away from it."""
    for port in [*([wanted] if wanted else []), *random.sample(range(20_000, 32_000), 200)]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port between 20000 and 32000")


class Proxy:
    """`dualwrite-proxy SOURCE TARGET ...`; the same ports and state folder at each start."""

    def __init__(self, source, target, folder: Path, *flags: str, source_port: int = 0,
                 port: int = 0, metrics_port: int = 0, state: Path | None = None,
                 clusters_with_tls: bool = False):
        self.port = free_port(port)
        self.metrics_port = free_port(metrics_port)
        self.folder = Path(folder)
        self.state = state or self.folder / "state"
        self.flags = list(flags)
        self.address = "127.0.0.1"
        self.command = [
            program("dualwrite-proxy"), source.address, target.address,
            "--source-port", str(source_port or source.port), "--target-port", str(target.port),
            "--proxy-port", str(self.port), "--metrics-port", str(self.metrics_port),
            "--state-dir", str(self.state),
        ]
        if not clusters_with_tls:
            self.command += ["--disable-source-tls", "true", "--disable-target-tls", "true"]
        self.process: subprocess.Popen | None = None
        self.starts = 0

    def __enter__(self) -> "Proxy":
        return self.start()

    def __exit__(self, *_) -> None:
        self.kill9()

    # --- life ---

    def launch(self, *flags: str) -> "Proxy":
        """Starts the process and does not wait."""
        assert not self.running(), "it runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "a") as log:
            self.process = spawner().spawn([*self.command, *self.flags, *flags], False,
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.starts += 1
        return self

    def start(self, *flags: str, timeout_s: float = 20) -> "Proxy":
        """Starts it and waits until it serves."""
        self.launch(*flags)
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            if not self.running():
                raise AssertionError(f"the proxy ended with {self.process.returncode}; its log:\n"
                                     f"{self.log_tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"the proxy did not serve within {timeout_s:.0f} s; its log:\n"
                                     f"{self.log_tail()}")
            time.sleep(0.02)
        return self

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill9(self) -> None:
        if self.running():
            self.process.kill()
            self.process.wait(10)

    def wait(self, timeout_s: float = 40) -> int:
        """Its exit code."""
        return self.process.wait(timeout_s)

    def stop(self, timeout_s: float = 40) -> int:
        """SIGTERM, then its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout_s)

    # --- what it says ---

    @property
    def log_path(self) -> Path:
        return self.folder / "proxy.log"

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log().splitlines()[-lines:])

    def get(self, path: str) -> str:
        url = f"http://127.0.0.1:{self.metrics_port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    def status(self) -> dict:
        return json.loads(self.get("/status.json"))

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics by its name with labels."""
        samples = {}
        for line in self.get("/metrics").splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def backlog(self) -> int:
        """Writes that clients were answered and the target does not have yet."""
        return self.status()["backlog"]

    def wait_drained(self, timeout_s: float = 60) -> None:
        """Until the target has everything."""
        deadline = time.monotonic() + timeout_s
        while (left := self.backlog()) > 0:
            if time.monotonic() > deadline:
                raise AssertionError(f"{left} writes were not delivered in {timeout_s:.0f} s; "
                                     f"status: {self.status()}\n{self.log_tail()}")
            time.sleep(0.05)

    def memory_bytes(self) -> int:
        """Resident memory."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def _answers(self) -> bool:
        try:
            self.status()
            with socket.create_connection((self.address, self.port), 2):
                return True
        except (OSError, urllib.error.URLError):
            return False
