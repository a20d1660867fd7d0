"""The tools that tests/bench/copy runs: each copies one table, or compares it, and is measured."""

import os
import pathlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from testbed import fetch  # noqa: E402

from copy_tables import KEYSPACE  # noqa: E402

DSBULK = "1.10.0"
_DSBULK_PARTS = ("runner", "workflow-load", "workflow-unload", "connectors-csv",
                 "executor-reactor", "batcher-reactor")
_DSBULK_MAIN = "com.datastax.oss.dsbulk.runner.DataStaxBulkLoader"


@dataclass
class Cost:
    """Processor seconds of the tool, its children included, and of the two nodes."""

    wall_s: float = 0
    client_s: float = 0
    source_s: float = 0
    target_s: float = 0
    memory_mib: float = 0


class ToolError(Exception):
    """A tool that did not do what it was asked for; the text is for the operator."""


class Bench:
    """The two nodes, and a folder for what tools leave behind."""

    def __init__(self, source, target, folder: pathlib.Path):
        self.source, self.target, self.folder = source, target, folder

    def run(self, *commands: list) -> Cost:
        """Runs them one after another and adds up what they cost."""
        cost = Cost()
        before = self.source.cpu_seconds(), self.target.cpu_seconds()
        began = time.monotonic()
        for command in commands:
            log = self.folder / "tool.log"
            with open(log, "wb") as out:
                process = subprocess.Popen([str(word) for word in command], cwd=self.folder,
                                           stdin=subprocess.DEVNULL, stdout=out, stderr=out)
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise ToolError(f"{command[0]} ended with {process.returncode}:\n"
                                + log.read_text(errors="replace")[-2000:])
            cost.client_s += used.ru_utime + used.ru_stime
            cost.memory_mib = max(cost.memory_mib, used.ru_maxrss / 1024)
        cost.wall_s = time.monotonic() - began
        cost.source_s = self.source.cpu_seconds() - before[0]
        cost.target_s = self.target.cpu_seconds() - before[1]
        return cost


class Dualwrite:
    """Per-cell write times and expiry."""

    name = "dualwrite"

    def __init__(self, build: pathlib.Path, options: list):
        self._program = build / "src/cli/dualwrite"
        self._options = options
        if not self._program.is_file():
            raise ToolError(f"{self._program} is not there: ninja -C {build} src/cli/dualwrite")

    def command(self, verb: str, bench: Bench, table: str) -> list:
        return [self._program, verb, bench.source.address, bench.target.address, "--keyspace",
                KEYSPACE, "--table", table, "--state-dir", bench.folder / "state",
                "--disable-source-tls", "--disable-target-tls", *self._options]

    def copy(self, bench: Bench, table: str) -> Cost:
        return bench.run(self.command("copy", bench, table) + ["--restart"])

    def compare(self, bench: Bench, table: str) -> Cost:
        return bench.run(self.command("validate", bench, table))


class Cqlsh:
    """COPY TO a file, COPY FROM it: values only, without times."""

    name = "cqlsh COPY"

    def copy(self, bench: Bench, table: str) -> Cost:
        file = bench.folder / "rows.csv"
        file.unlink(missing_ok=True)

        def command(address: str, text: str) -> list:
            return [fetch.cqlsh(), address, "--request-timeout", 60, "-e", text]

        name = f"{KEYSPACE}.{table}"
        return bench.run(command(bench.source.address, f"COPY {name} TO '{file}'"),
                         command(bench.target.address, f"COPY {name} FROM '{file}'"))


class Dsbulk:
    """Unload to files and load them: write time and TTL per cell, not in collections."""

    name = "DSBulk"

    def __init__(self):
        self._lib = fetch.part(f"dsbulk-{DSBULK}", _bring_dsbulk)

    def copy(self, bench: Bench, table: str) -> Cost:
        files = bench.folder / "dsbulk"
        shutil.rmtree(files, ignore_errors=True)

        def command(verb: str, address: str) -> list:
            return ["java", "-Xmx2G", "-cp", f"{self._lib}/*", _DSBULK_MAIN, verb, "-h", address,
                    "-k", KEYSPACE, "-t", table, "-url", files, "-timestamp", "true", "-ttl",
                    "true", "-logDir", bench.folder / "dsbulk-logs", "--log.verbosity", "quiet"]

        return bench.run(command("unload", bench.source.address),
                         command("load", bench.target.address))


def _bring_dsbulk(target: pathlib.Path) -> None:
    parts = "".join(
        f"<dependency><groupId>com.datastax.oss</groupId><artifactId>dsbulk-{part}</artifactId>"
        f"<version>{DSBULK}</version></dependency>" for part in _DSBULK_PARTS)
    (target / "pom.xml").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>bench</groupId><artifactId>bench</artifactId><version>1</version>"
        f"<packaging>pom</packaging><dependencies>{parts}</dependencies></project>")
    subprocess.run(["mvn", "-B", "-q", "-f", target / "pom.xml", fetch.MAVEN_COPY,
                    "-DincludeScope=runtime", f"-DoutputDirectory={target}"], check=True)
