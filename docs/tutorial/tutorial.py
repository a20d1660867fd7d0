"""The steps of README.md beside this file, done by a program: `docs/tutorial/run`.

What it starts (two Cassandra nodes, the proxy, an application) ends with it, however it ends.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/tutorial"
sys.path.insert(0, str(ROOT / "tests/cluster"))
sys.path.insert(0, str(Path(__file__).parent))

import support  # noqa: E402  (continues under a Python that has the Cassandra driver)
from display import Display  # noqa: E402
from support_application import Application, Worker  # noqa: E402
from support_compare import snapshot  # noqa: E402
from support_proxy import Proxy, spawner  # noqa: E402
from testbed import Bed, BedError, Node  # noqa: E402

KEYSPACE = "migrationkeyspace"
PROXY_PORT, METRICS_PORT = 29042, 28000
OUTAGE_S = 10


class Failed(Exception):
    """The migration is not what it should be; the text says how."""


class Tutorial:
    def __init__(self, options, folder: Path, bed: Bed):
        self.options = options
        self.folder = folder
        self.bed = bed
        self.show = Display()
        self.proxy = self.application = None
        self.copied: dict = {}
        self.validated: list[dict] = []
        self.lag_max_ms = self.backlog_max = 0
        self.history_s = 1.0

    def run(self) -> bool:
        os.environ["DUALWRITE_BUILD"] = str(self.options.build or BUILD)
        if not self.options.build:
            self.build()
        self.clusters()
        self.schema()
        self.history()
        self.start_proxy()
        try:
            self.start_application()
            self.copy()
            self.kill_proxy()
            self.stop_target()
            self.drain()
            self.validate()
            problems = self.check()
        finally:
            for one in (self.application, self.proxy):
                if one:
                    one.kill() if one is self.application else one.kill9()
        return self.summary(problems)

    # --- 1 to 4: what a person has already ---

    def build(self) -> None:
        self.show.step("Build the two programs")
        began = time.monotonic()
        ccache = "ccache " if shutil.which("ccache") else ""
        environment = {"CC": ccache + "gcc", "CXX": ccache + "g++"}
        if not (BUILD / "build.ninja").is_file():
            # As tests/run builds them, so that the compiler cache knows them.
            self._command(["meson", "setup", BUILD, "-Doptimization=2", "-Ddebug=false",
                           "-Dtests=false", "-Dpython=disabled"], environment)
        ninja = subprocess.Popen(["ninja", "-C", BUILD], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        lines = []
        for line in ninja.stdout:
            lines.append(line)
            self.show.live(line.strip()[:90])
        if ninja.wait() != 0:
            raise Failed("the build failed:\n" + "".join(lines[-40:]))
        self.show.say(f"dualwrite-proxy and dualwrite in {time.monotonic() - began:.0f} s")

    def clusters(self) -> None:
        self.show.step("Start two Apache Cassandra clusters")
        began = time.monotonic()
        # The target will be killed: it must not lose what it acknowledged.
        specs = Node("source"), Node("target", commitlog_sync="batch")
        self.source, self.target = self.bed.up(*specs)
        for node in (self.source, self.target):
            self.show.say(f"{node.name} {node.version} at {node.address}:{node.port}")
        self.show.say(f"ready in {time.monotonic() - began:.1f} s")

    def schema(self) -> None:
        self.show.step("Create the schema on both sides")
        texts = support.statements(support.SCHEMA)
        for node in (self.source, self.target):
            for text in texts:
                node.query(text)
        self.show.say(f"{len(texts) - 1} tables in {KEYSPACE}, see docs/tutorial/schema.cql")

    def history(self) -> None:
        rows = self.options.rows
        self.show.step(f"Load {rows:,} rows of history into the source")
        began, parts = time.monotonic(), 2
        script = ROOT / "tests/cluster/support_history.py"
        loaders = [
            spawner().spawn(
                [sys.executable, str(script),
                 json.dumps({"address": self.source.address, "rows": rows, "part": part,
                             "parts": parts})],
                False, stdout=subprocess.PIPE, text=True)
            for part in range(parts)]
        done = [0] * parts
        threads = [threading.Thread(target=self._count_rows, args=(one, done, part), daemon=True)
                   for part, one in enumerate(loaders)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.show.live(f"{sum(done):,} rows")
            time.sleep(0.2)
        if any(one.wait(10) for one in loaders) or sum(done) != rows:
            raise Failed(f"only {sum(done):,} rows of history were loaded")
        self.history_s = time.monotonic() - began
        self.show.say(f"{rows:,} rows with write times of 2022 and with TTLs, "
                      f"{rows / self.history_s:,.0f} rows/s; none at the target")

    @staticmethod
    def _count_rows(loader, done: list, part: int) -> None:
        for line in loader.stdout:
            done[part] = json.loads(line)["rows"]

    # --- 5 to 9: the migration ---

    def start_proxy(self) -> None:
        self.show.step("Start the proxy")
        self.proxy = Proxy(self.source, self.target, self.folder / "proxy",
                           port=PROXY_PORT, metrics_port=METRICS_PORT)
        self.show.command([Path(self.proxy.command[0]).name, *self.proxy.command[1:]])
        self.proxy.start()
        self.show.say(f"clients: port {self.proxy.port}; status: "
                      f"http://127.0.0.1:{self.proxy.metrics_port}")

    def start_application(self) -> None:
        self.show.step("Let the application use the proxy instead of the source")
        pause = {"pause_s": 0.04}
        workers = [Worker(5, options=pause), Worker(4, client_timestamps=False, options=pause),
                   Worker(5, client_timestamps=False, compression=True, options=pause)]
        self.application = Application(
            self.folder / "application", self.proxy.address, self.proxy.port, workers,
            self.options.seed, spawner(), partitions=max(self.options.rows // 20, 1000),
            history_rows=self.options.rows)
        threading.Thread(target=self._watch, daemon=True).start()
        self._wait_for_more(1000)
        self.show.say(f"{len(workers)} processes: inserts, updates, deletes, TTLs, batches; "
                      f"prepared and simple; protocol v4, v5, v5 with LZ4\n"
                      f"{self.application.acknowledged:,} writes acknowledged, and going on")

    def copy(self) -> None:
        self.show.step("Copy the history, while the application writes")
        before = self.application.acknowledged
        code, self.copied = self._job("copy", self.source, self.target)
        if code != 0:
            raise Failed(f"the copy ended with {code}: {json.dumps(self.copied)[:2000]}")
        self.show.say(f"{self.copied['rows']:,} rows in {self.copied['elapsed_s']:.1f} s, "
                      f"{self.copied['rows'] / max(self.copied['elapsed_s'], 0.001):,.0f} rows/s; "
                      f"{self.application.acknowledged - before:,} writes meanwhile")

    def kill_proxy(self) -> None:
        self.show.step("Kill the proxy with -9, and start it again")
        for _ in range(2):
            self._wait_for_more(1000)
            backlog = self.proxy.backlog()
            self.proxy.kill9()
            self.show.say(f"killed at {self.application.acknowledged:,} acknowledged writes, "
                          f"{backlog} of them not yet at the target")
            self.proxy.start()
        before = self.application.acknowledged
        self._wait_for_more(1000)
        self.show.say(f"the application went on by itself: "
                      f"{self.application.acknowledged - before:,} more writes")

    def stop_target(self) -> None:
        self.show.step(f"Stop the target for {OUTAGE_S} s")
        before, errors = self.application.acknowledged, self.application.errors()
        self.target.kill9()
        until = time.monotonic() + OUTAGE_S
        while time.monotonic() < until:
            self.show.live(f"{self.application.acknowledged - before:,} writes, "
                           f"{self.proxy.backlog():,} wait for the target")
            time.sleep(0.25)
        backlog = self.proxy.backlog()
        during = self.application.acknowledged - before
        failed = self.application.errors() - errors
        self.target.restart().wait_ready()
        self.show.say(f"{during:,} writes acknowledged meanwhile, {failed} errors for the "
                      f"application; {backlog:,} waited for the target, which is back")
        if failed or not during:
            raise Failed("the application noticed the outage of the target")

    def drain(self) -> None:
        self.show.step("Stop the application, let everything drain")
        self._wait_for_more(1000)
        self.model = self.application.stop()
        began = time.monotonic()
        while (left := self.proxy.backlog()) > 0:
            self.show.live(f"{left:,} writes left")
            if time.monotonic() - began > 60:
                raise Failed(f"{left:,} writes were not delivered in 60 s")
            time.sleep(0.1)
        counters = self.application.counters()
        self.show.say(f"{counters['acknowledged']:,} writes acknowledged in all; the last was at "
                      f"the target {time.monotonic() - began:.1f} s after the end")
        self.status = self.proxy.status()
        self.proxy.stop()

    # --- 10 and 11: the proof ---

    def validate(self) -> None:
        self.show.step("Validate both ways")
        for source, target in ((self.source, self.target), (self.target, self.source)):
            code, report = self._job("validate", source, target)
            if code not in (0, 1):
                raise Failed(f"the validation ended with {code}: {json.dumps(report)[:2000]}")
            self.validated.append(report)
            found = report["differences"]
            kinds = ", ".join(f"{found[kind]} {name}" for kind, name in (
                ("missing", "missing"), ("extra", "extra"), ("value", "in a value"),
                ("writetime", "in a write time"), ("ttl", "in a TTL")))
            self.show.say(f"{report['rows']:,} rows compared in {report['elapsed_s']:.1f} s: "
                          f"{kinds}; exit code {code}")

    def check(self) -> list[str]:
        self.show.step("Ask the application: is all that was acknowledged on both sides?")
        problems = []
        for node in (self.source, self.target):
            with support.cluster(node.address) as cluster:
                session, rows = cluster.connect(), 0
                for table in sorted(cluster.metadata.keyspaces[KEYSPACE].tables):
                    self.show.live(f"reading {table} of the {node.name}")
                    found = snapshot(session, KEYSPACE, table)
                    rows += len(found.rows)
                    problems += self.model.problems(table, found, node.name,
                                                    limit=sys.maxsize)
            self.show.say(f"{node.name}: {rows:,} rows read with the Python driver, "
                          f"{len(problems)} not as they were written")
        return problems

    def summary(self, problems: list[str]) -> bool:
        self.show.step("What happened")
        counters = self.application.counters()
        differences = sum(one["differences"]["total"] for one in self.validated)
        equal = all(one["state"] == "succeeded" for one in self.validated)
        good = equal and not problems and not differences
        self.show.table([
            ("writes acknowledged", f"{counters['acknowledged']:,} in {counters['requests']:,} "
                                    f"requests; {counters['retried']:,} tried again by the "
                                    f"application when the proxy was killed"),
            ("not at the target", f"{self.status['backlog']:,}"),
            ("largest lag", f"{self.lag_max_ms / 1000:.1f} s, {self.backlog_max:,} writes"),
            ("rows copied", f"{self.copied['rows']:,} at "
                            f"{self.copied['rows'] / max(self.copied['elapsed_s'], 0.001):,.0f} "
                            f"rows/s"),
            ("differences", f"{differences} found by validate, {len(problems)} by the "
                            f"application's own records"),
            ("time", f"{self.show.elapsed_s():.0f} s"),
        ])
        for problem in problems[:20]:
            self.show.say(problem)
        self.show.verdict(good, "EQUAL: both clusters hold the same data, value by value, with "
                                "the same write times and TTLs." if good else
                                "DIFFERENT: the target is not a copy of the source.")
        return good

    # --- helpers ---

    def _job(self, verb: str, source, target) -> tuple[int, dict]:
        command = [support.program("dualwrite"), verb, f"{source.address}:{source.port}",
                   f"{target.address}:{target.port}", "--keyspace", KEYSPACE,
                   "--disable-source-tls", "true", "--disable-target-tls", "true",
                   "--state-dir", str(self.folder / f"{verb}-{source.name}"), "--json"]
        self.show.command(["dualwrite", *command[1:]])
        log = self.folder / f"{verb}-{source.name}.log"
        with open(log, "w") as file:
            errors = None if sys.stderr.isatty() else file
            process = spawner().spawn(command, False, stdout=subprocess.PIPE, stderr=errors,
                                      text=True)
            output, _ = process.communicate(timeout=180)
        try:
            return process.returncode, json.loads(output)
        except ValueError:
            raise Failed(f"{verb} ended with {process.returncode} and no report:\n"
                         f"{output}{log.read_text()[-2000:]}") from None

    def _wait_for_more(self, writes: int) -> None:
        """Until the application has got so many more acknowledged."""
        until = self.application.acknowledged + writes
        deadline = time.monotonic() + 60
        while self.application.acknowledged < until:
            self.application.check()
            if time.monotonic() > deadline:
                raise Failed(f"the application makes no progress: {self.application.counters()}")
            self.show.live(f"{self.application.acknowledged:,} writes acknowledged")
            time.sleep(0.1)

    def _watch(self) -> None:
        """The largest lag seen, for the summary."""
        while True:
            try:
                status = self.proxy.status()
                self.backlog_max = max(self.backlog_max, status["backlog"])
                self.lag_max_ms = max(self.lag_max_ms, status["oldest_age_ms"])
            except (OSError, ValueError, KeyError):
                pass  # the proxy is down, as the tutorial wants it
            time.sleep(0.2)

    def _command(self, words: list, environment: dict) -> None:
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                              env=os.environ | environment)
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, words))}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="docs/tutorial/run", description="A live migration between two real Cassandra "
        "clusters on this machine, from build to proof.")
    parser.add_argument("--rows", type=int, default=100_000, help="of history (default 100000)")
    parser.add_argument("--build", type=Path, metavar="DIR",
                        help="a build folder to use; default: build one")
    parser.add_argument("--seed", type=int, default=1, help="of the application's writes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="dualwrite-tutorial-"))
    good = False
    try:
        with Bed(folder / "bed") as bed:
            good = Tutorial(options, folder, bed).run()
    except (Failed, BedError, AssertionError) as error:
        print(f"\n\nFAILED: {error}", flush=True)
    except KeyboardInterrupt:
        print("\ninterrupted; everything is stopped", flush=True)
        shutil.rmtree(folder)
        return 130
    if good:
        shutil.rmtree(folder)
    else:
        print(f"logs and data are kept in {folder}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
