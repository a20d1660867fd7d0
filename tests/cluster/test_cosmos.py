"""A target like Azure Cosmos DB: what `dualwrite check` says of it, and how fast a copy goes.
DUALWRITE_BUILD=build python3 tests/cluster/test_cosmos.py -v"""

import json
import signal
import subprocess
import time
import unittest

from support import ClusterTest, eventually, program, run
from support_cosmos import CosmosLike
from support_jobs import command, done_ranges, job

ROWS = 4000
KEYSPACE = ("CREATE KEYSPACE shop WITH replication = "
            "{'class': 'SimpleStrategy', 'replication_factor': 1}")
TABLE = "CREATE TABLE shop.t (id int PRIMARY KEY, v text)"


class Cosmos(ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for text in (KEYSPACE, TABLE):
            cls.source.query(text)

    def setUp(self):
        self.target.query("DROP KEYSPACE IF EXISTS shop")
        self.target.query(KEYSPACE)

    def gateway(self, units_per_s: float = 1e9) -> CosmosLike:
        made = CosmosLike(self.target.address, self.target.port, units_per_s)
        self.addCleanup(made.close)
        return made

    def fill(self) -> None:
        session = self.connect(self.source.address)
        insert = session.prepare("INSERT INTO shop.t (id, v) VALUES (?, ?)")
        for future in [session.execute_async(insert, (n, "x" * 30)) for n in range(ROWS)]:
            future.result()
        self.target.query(TABLE)

    def copied(self) -> int:
        return self.connect(self.target.address).execute("SELECT count(*) FROM shop.t").one()[0]

    def run_check(self, gateway: CosmosLike, *flags: str) -> subprocess.CompletedProcess:
        return run([program("dualwrite"), "check", self.source.address,
                    f"{gateway.address}:{gateway.port}", "--disable-source-tls",
                    "--disable-target-tls", "--state-dir", self.folder / "check", *flags], 120)

    def test_check_finds_that_rows_have_one_time_and_says_what_helps(self):
        gateway = self.gateway()
        done = self.run_check(gateway, "--json")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        answers = {key: its["answer"] for key, its in report["probes"].items()}
        self.assertLessEqual({"old_writetime": True, "cell_writetime": False, "cell_ttl": False,
                              "late_write_loses": True, "token_scan": True, "distinct": False,
                              "logged_batch": False, "unlogged_batch": True,
                              "flags": True}.items(), answers.items())
        self.assertTrue(report["target"]["charges"])
        self.assertEqual(report["target"]["protocol_version"], 4)
        self.assertTrue(any("make its tables with the three flags" in text
                            for text in report["problems"]), report["problems"])
        self.assertIn("the target takes no logged batches; they are sent as unlogged ones",
                      report["notes"])
        self.assertIn("DISTINCT is not supported",
                      report["probes"]["distinct"]["detail"])
        (create,) = report["statements"]
        for flag in ("timestamp", "timestamp_tombstones", "timetolive"):
            self.assertIn(f"cosmosdb_cell_level_{flag} = true", create)

    def test_a_table_that_may_keep_one_time_for_a_row_is_refused_unless_trusted(self):
        self.source.query("CREATE TABLE shop.two (id int PRIMARY KEY, v text, w text)")
        self.addCleanup(self.source.query, "DROP TABLE shop.two")
        self.target.query("CREATE TABLE shop.two (id int PRIMARY KEY, v text, w text)")
        self.source.query("INSERT INTO shop.two (id, v, w) VALUES (1, 'a', 'b')")
        gateway = self.gateway()
        job_of = ("copy", self.source, gateway, "shop", self.folder / "two", "--table", "two")
        code, report = job(*job_of)
        self.assertEqual((code, report["rows"]), (2, 0))
        self.assertIn("table two: the target is like Azure Cosmos DB", report["error"])
        self.assertIn("--cell-times trust", report["error"])
        code, report = job(*job_of, "--cell-times", "trust")
        self.assertEqual((code, report["rows"]), (0, 1), report)

    def test_a_copy_keeps_within_its_request_units(self):
        self.fill()
        gateway = self.gateway()
        code, report = job("copy", self.source, gateway, "shop", self.folder / "units",
                           "--rate-units", "4000")
        self.assertEqual((code, self.copied()), (0, ROWS), report)
        # 5 for each row, and some reads of the schema.
        self.assertGreaterEqual(report["request_units"], 5 * ROWS)
        self.assertAlmostEqual(report["request_units"], gateway.units(), delta=100)
        self.assertLessEqual(gateway.most_in_a_second(), 4000 * 1.15 + 100)
        self.assertGreater(report["elapsed_s"], 5 * ROWS / 4000 * 0.9)
        self.assertLess(report["elapsed_s"], 5 * ROWS / 4000 * 2)
        self.assertEqual(gateway.overloads, 0)

    def test_overloaded_is_waited_for_as_long_as_it_says_and_nothing_is_lost(self):
        self.fill()
        gateway = self.gateway(5000)
        code, report = job("copy", self.source, gateway, "shop", self.folder / "overload")
        self.assertEqual((code, self.copied()), (0, ROWS), report)
        self.assertGreater(gateway.overloads, 10)
        self.assertEqual(gateway.too_early, 0)
        self.assertGreaterEqual(report["retries"], gateway.overloads)

    def test_the_budget_can_be_changed_while_the_copy_runs(self):
        self.fill()
        gateway = self.gateway()
        state = self.folder / "changed"
        file = self.folder / "copy.yaml"
        file.write_text("rate-units: 500\n")
        process = subprocess.Popen(
            command("copy", self.source, gateway, "shop", state, "--config", str(file), "--ranges",
                    "64"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        eventually(lambda: list(state.glob("copy-*.sqlite")) and done_ranges(state, "t"))
        time.sleep(1)
        self.assertLessEqual(gateway.most_in_a_second(), 500 * 1.15 + 100)
        file.write_text("rate-units: 0\n")
        began = time.monotonic()
        process.send_signal(signal.SIGHUP)
        _, log = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, log)
        # At 500 a second it would have taken half a minute more.
        self.assertLess(time.monotonic() - began, 15)
        self.assertIn("pace: at most any number of rows", log)
        self.assertEqual(self.copied(), ROWS)

    def test_bytes_and_rows_have_their_limits_too(self):
        self.fill()
        for flag, limit in (("--rate", ROWS // 3), ("--rate-bytes", "60KiB")):
            self.target.query("TRUNCATE shop.t")
            code, report = job("copy", self.source, self.target, "shop", self.folder / flag[2:],
                               flag, str(limit), "--page-size", "100")
            self.assertEqual((code, self.copied()), (0, ROWS), report)
            least = 2.5 if flag == "--rate" else report["bytes"] / (60 * 1024) - 0.5
            self.assertGreater(report["elapsed_s"], least)
            self.assertLess(report["elapsed_s"], least * 2 + 2)
            self.assertEqual(report["request_units"], 0)


if __name__ == "__main__":
    unittest.main()
