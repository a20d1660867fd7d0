#!/usr/bin/env python3
"""dualwrite.spark: a copy and a validation by the executors of Spark, between two real nodes.

DUALWRITE_BUILD=build/release python3 tests/cluster/test_spark.py -v; DUALWRITE_SPARK=all runs Spark
Connect and a killed driver as well, DUALWRITE_PYSPARK=3.5.7 takes another version of PySpark (which
does not bring the server of Spark Connect).
"""

import os
import signal
import sqlite3
import unittest
from pathlib import Path

import support_spark as spark
from support import ROOT, ClusterTest, eventually, run
from support_compare import compare_tables
from support_jobs import done_ranges, gaps

ALL = os.environ.get("DUALWRITE_SPARK") == "all"
ROWS = 6000
# Two executors with one core each, in processes of their own, which get the module as an archive.
TWO_WORKERS = "local-cluster[2,1,1024]"


def python_workers(driver: int) -> list[int]:
    """Processes under this one that run tasks: children of a pyspark.daemon."""
    parents, daemons = {}, set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            parents[int(entry.name)] = int(stat[1])
            if b"pyspark.daemon" in (entry / "cmdline").read_bytes():
                daemons.add(int(entry.name))
        except OSError:
            continue  # it ended while we looked

    def is_ours(pid: int) -> bool:
        while pid not in (0, driver):
            pid = parents.get(pid, 0)
        return pid == driver

    return [pid for pid, parent in parents.items() if parent in daemons and is_ours(pid)]


class Spark(ClusterTest):
    @classmethod
    def setUpClass(cls):
        spark.module(), spark.python()  # what is missing is said, or brought, before nodes start
        super().setUpClass()
        cls.addClassCleanup(spark.remove_work)

    def fill(self, keyspace: str) -> None:
        self.both(f"CREATE KEYSPACE {keyspace} WITH replication = "
                  "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        self.both(f"CREATE TABLE {keyspace}.t (k int, c int, s text STATIC, v text, "
                  "m map<text, int>, PRIMARY KEY (k, c))")
        self.both(f"CREATE TABLE {keyspace}.small (k int PRIMARY KEY, v int)")
        session = self.connect(self.source.address)
        insert = session.prepare(f"INSERT INTO {keyspace}.t (k, c, s, v, m) VALUES (?, ?, ?, ?, ?) "
                                 "USING TIMESTAMP ? AND TTL ?")
        waiting = [session.execute_async(insert, (i // 3, i % 3, f"static {i // 3}", f"value {i}",
                                                  {"x": i}, 1_000_000 + i, 86_400 * (i % 2)))
                   for i in range(ROWS)]
        for one in waiting:
            one.result()
        for i in range(50):
            session.execute(f"INSERT INTO {keyspace}.small (k, v) VALUES (%s, %s) "
                            "USING TIMESTAMP 77", (i, i))

    def assert_equal(self, keyspace: str) -> None:
        self.assertEqual([], compare_tables(*self.sides(), keyspace, ["t", "small"]))

    def start(self, master: str, *jobs: dict):
        return spark.start(master, self.source, self.target, self.folder / jobs[0]["keyspace"],
                           *jobs)

    def run_jobs(self, master: str, *jobs: dict) -> list[dict]:
        return spark.finish(self.start(master, *jobs))

    def test_differences_become_a_table_of_arrow(self):
        done = run([spark.python(), ROOT / "tests/python/arrow_table.py"],
                   env={**os.environ, "PYTHONPATH": str(spark.module())})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_copy_and_validate_in_worker_processes(self):
        self.fill("ks_workers")
        work = {"job": "copy", "keyspace": "ks_workers"}
        check = {"job": "validate", "keyspace": "ks_workers"}
        done, again, equal = self.run_jobs(TWO_WORKERS, work | {"ranges": 100, "waves": 3}, work,
                                           check)
        self.assertEqual(done.get("rows"), ROWS + 50, done)
        self.assertEqual(sum(row["rows"] for row in done["frame"]), ROWS + 50)
        self.assertEqual({row["table"] for row in done["frame"]}, {"t", "small"})
        self.assertEqual(len(done["progress"]), 3)
        self.assertEqual(done["progress"][-1][0], done["progress"][-1][1])
        self.assert_equal("ks_workers")
        state = self.folder / "ks_workers/state"
        for table in ("t", "small"):
            self.assertEqual(gaps(done_ranges(state, table)), [])

        self.assertEqual((again["rows"], again["frame"]), (0, []))  # the ledger knows
        self.assertTrue(equal["equal"], equal)
        self.assertEqual((equal["rows"], equal["frame"]), (ROWS + 50, []))
        self.target.query("UPDATE ks_workers.t USING TIMESTAMP 9000000 SET v = 'x' "
                          "WHERE k = 7 AND c = 1")
        self.target.query("DELETE FROM ks_workers.small WHERE k = 3")
        (different,) = self.run_jobs("local[2]", check | {"recheck_delay": "0s"})
        self.assertFalse(different["equal"])
        self.assertEqual(sorted((row["table"], row["kind"], row["key"])
                                for row in different["frame"]),
                         [("small", "missing", '{"k": "3"}'),
                          ("t", "value", '{"c": "1", "k": "7"}')])

    def test_a_worker_that_is_killed_in_the_middle_of_a_task(self):
        self.fill("ks_killed")
        process = self.start(TWO_WORKERS, {"job": "copy", "keyspace": "ks_killed", "rate": 1500,
                                           "tables": "t", "waves": 1})
        target = self.connect(self.target.address)
        count = "SELECT count(*) FROM ks_killed.t"
        eventually(lambda: target.execute(count).one()[0] > 300, 90)
        victims = eventually(lambda: python_workers(process.pid))
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        self.assertIsNone(process.poll())
        self.assertLess(target.execute(count).one()[0], ROWS)
        (done,) = spark.finish(process)
        self.assertEqual(done.get("rows"), ROWS, done)
        self.assertEqual([], compare_tables(*self.sides(), "ks_killed", ["t"]))
        self.assertEqual(gaps(done_ranges(self.folder / "ks_killed/state", "t")), [])

    @unittest.skipUnless(ALL, "the rest runs by DUALWRITE_SPARK=all")
    def test_the_driver_is_killed_and_the_same_call_does_the_rest(self):
        self.fill("ks_driver")
        work = {"job": "copy", "keyspace": "ks_driver", "tables": "t", "ranges": 64}
        process = self.start("local[2]", work | {"rate": 1000, "waves": 16})
        state = self.folder / "ks_driver/state"

        def some_done() -> bool:
            try:
                return len(done_ranges(state, "t")) > 10
            except (ValueError, sqlite3.OperationalError):
                return False  # it is being made

        eventually(some_done, 90)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.communicate()
        known = len(done_ranges(state, "t"))
        self.fill("ks_fails")
        self.target.query("DROP TABLE ks_fails.small")
        done, fails = self.run_jobs("local[2]", work, {"job": "copy", "keyspace": "ks_fails"})
        self.assertLess(done["rows"], ROWS)
        self.assertEqual(len(done["frame"]), len(done_ranges(state, "t")) - known)
        self.assertEqual([], compare_tables(*self.sides(), "ks_driver", ["t"]))
        self.assertEqual(gaps(done_ranges(state, "t")), [])
        self.assertIn("small", fails["error"])
        self.assertEqual(fails["kind"], "JobFailedError")

    @unittest.skipIf(spark.VERSION < "4" or not ALL, "the rest runs by DUALWRITE_SPARK=all")
    def test_spark_connect(self):
        self.fill("ks_connect")
        (done,) = self.run_jobs("connect", {"job": "copy", "keyspace": "ks_connect"})
        self.assertEqual(done.get("rows"), ROWS + 50, done)
        self.assert_equal("ks_connect")


if __name__ == "__main__":
    unittest.main()
