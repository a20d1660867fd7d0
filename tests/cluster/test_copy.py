#!/usr/bin/env python3
"""`dualwrite copy` between real nodes: every cell with its bytes, write time and expiry."""

import json
import shutil
import sqlite3
import subprocess
import time
import unittest

import support
import support_corpus as corpus
import support_kills
import support_rows as rows
from testbed import Node

RING = (-2**63, 2**63 - 1)


class CopyTest(support.ClusterTest):
    """What the tests of both pairs of versions share."""

    element_times = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for text in corpus.SCHEMA + corpus.ORDER_SCHEMA + corpus.COLLECTION_SCHEMA:
            cls.source.query(text)
            cls.target.query(text)
        cls.source.wait_ready()
        cls.target.wait_ready()
        found = support.cluster(cls.source.address)
        corpus.load(found.connect())
        found.shutdown()

    def command(self, verb: str, *more) -> list:
        return [support.program("dualwrite"), verb, self.source.address, self.target.address,
                "--keyspace", corpus.KEYSPACE, "--state-dir", self.folder / "state",
                "--disable-source-tls", "true", "--disable-target-tls", "true", "--json", *more]

    def dualwrite(self, verb: str, *more, code: int = 0) -> dict:
        done = support.run(self.command(verb, *more))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {}

    def assert_same(self, *tables, lists=()):
        for table in tables or rows.tables_of(self.source, corpus.KEYSPACE):
            with self.subTest(table=table):
                left = rows.read(self.source, corpus.KEYSPACE, table, self.element_times)
                right = rows.read(self.target, corpus.KEYSPACE, table, self.element_times)
                self.assertEqual([], rows.differences(left, right, lists=lists)[:10])


class Copy(CopyTest):
    """5.0.8 -> 5.0.8"""

    def test_1_every_case_is_copied_with_bytes_times_and_expiry(self):
        report = self.dualwrite("copy", "--restart", "true")
        self.assertEqual(report["state"], "succeeded")
        self.assertGreater(len(rows.read(self.source, corpus.KEYSPACE, "wide")), 2900)
        self.assert_same()
        wide = rows.read(self.target, corpus.KEYSPACE, "statics")
        self.assertIn((b"static", None), wide)

    def test_with_one_write_time_for_all_what_came_later_wins(self):
        self.source.query("CREATE KEYSPACE back WITH replication = "
                          "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        self.target.query("CREATE KEYSPACE back WITH replication = "
                          "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        for node in (self.source, self.target):
            node.query("CREATE TABLE back.t (k int PRIMARY KEY, a int, m map<int, int>)")
        for key in range(20):
            self.source.query(f"INSERT INTO back.t (k, a, m) VALUES ({key}, 1, {{1: 2}}) "
                              f"USING TIMESTAMP {1_000_000 + key}")
        late = 1_700_000_000_000_001
        self.both(f"UPDATE back.t USING TIMESTAMP {late} SET a = 2 WHERE k = 3")

        def dualwrite(verb: str, *more) -> tuple:
            done = support.run([support.program("dualwrite"), verb, self.source.address,
                                self.target.address, "--keyspace", "back", "--state-dir",
                                self.folder / "back-state", "--disable-source-tls", "true",
                                "--disable-target-tls", "true", "--json", *more])
            self.assertIn(done.returncode, (0, 1), done.stderr)
            return done.returncode, json.loads(done.stdout)["differences"] if verb != "copy" else {}

        dualwrite("copy", "--writetime", "2023-11-14T22:13:20Z")
        found = self.target.query("SELECT a, writetime(a), writetime(m) FROM back.t WHERE k = 4")
        at = (1_700_000_000_000_000).to_bytes(8, "big")
        self.assertEqual(found[0][1], at)
        (a,) = self.target.query("SELECT a FROM back.t WHERE k = 3")
        self.assertEqual(a[0], (2).to_bytes(4, "big"))
        code, found = dualwrite("validate", "--writetimes", "ignore")
        self.assertEqual((code, found["total"]), (0, 0))
        code, found = dualwrite("validate", "--recheck-delay", "0s")
        self.assertEqual((code, found["writetime"], found["value"]), (1, 20, 0))

    def test_2_validate_finds_nothing_and_reads_every_type_in_its_order(self):
        self.dualwrite("copy")
        report = self.dualwrite("validate")
        self.assertEqual(report["differences"]["total"], 0)
        # Rows that come in an order other than ours would look different at first.
        self.assertEqual(report["rechecked"], 0)

    def test_3_a_second_copy_changes_nothing_lists_included(self):
        self.dualwrite("copy", "--restart", "true")
        self.dualwrite("copy", "--restart", "true", "--ranges", "7")
        self.assert_same()

    def test_4_a_live_write_is_not_overwritten_and_a_deletion_not_undone(self):
        self.dualwrite("copy", "--restart", "true")
        # What a proxy does: the same write with the same time at both sides.
        now = time.time_ns() // 1000
        for text in (f"INSERT INTO corpus.many (k, v) VALUES (1, 'live') USING TIMESTAMP {now}",
                     f"DELETE FROM corpus.many USING TIMESTAMP {now} WHERE k = 2",
                     f"DELETE FROM corpus.keys_only USING TIMESTAMP {now} WHERE k = 0"):
            self.target.query(text)
        self.dualwrite("copy", "--restart", "true")
        target = rows.read(self.target, corpus.KEYSPACE, "many")
        self.assertEqual(target[(b"\0\0\0\1",)]["v"][0], b"live")
        self.assertNotIn((b"\0\0\0\2",), target)
        keys = rows.read(self.target, corpus.KEYSPACE, "keys_only")
        self.assertFalse([key for key in keys if key[0] == b"\0\0\0\0"])
        self.target.query("TRUNCATE corpus.many")
        self.target.query("TRUNCATE corpus.keys_only")

    def test_5_cells_deleted_after_the_copy_leave_no_shell_behind(self):
        self.dualwrite("copy", "--restart", "true", "--table", "times")
        now = time.time_ns() // 1000
        self.both(f"UPDATE corpus.times USING TIMESTAMP {now} SET a = null, b = null, d = null "
                  "WHERE k = 1 AND c = 1")
        self.assert_same("times")

    def test_6_counters_are_refused_unless_asked_for_then_converge(self):
        self.both("CREATE TABLE corpus.counted (k int, c int, n counter, m counter, "
                  "PRIMARY KEY (k, c))")
        try:
            for number in range(50):
                self.source.query(f"UPDATE corpus.counted SET n = n + {number + 1} "
                                  f"WHERE k = {number % 5} AND c = {number}")
            self.source.query("UPDATE corpus.counted SET m = m - 7 WHERE k = 0 AND c = 0")
            self.target.query("UPDATE corpus.counted SET n = n + 1000 WHERE k = 1 AND c = 1")
            refused = support.run(self.command("copy", "--table", "counted"))
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn("--counters converge", refused.stderr)
            for _ in range(2):
                self.dualwrite("copy", "--restart", "true", "--table", "counted", "--counters",
                               "converge")
                self.assert_same("counted")
            report = self.dualwrite("validate", "--table", "counted")
            self.assertEqual(report["differences"]["total"], 0)
        finally:
            self.both("DROP TABLE corpus.counted")

    def test_8_a_selection_of_tables(self):
        self.both("CREATE TABLE corpus.chosen (k int PRIMARY KEY, v int)")
        try:
            self.source.query("INSERT INTO corpus.chosen (k, v) VALUES (1, 1)")
            report = self.dualwrite("copy", "--restart", "true", "--tables-include",
                                    "*.cho*,corpus.times,other.*", "--tables-exclude", "*.times")
            self.assertEqual([table["table"] for table in report["tables"]], ["chosen"])
            self.assertEqual(len(self.target.query("SELECT k FROM corpus.chosen")), 1)
            report = self.dualwrite("validate", "--tables-include", "corpus.chosen")
            self.assertEqual(report["differences"]["total"], 0)
            self.assertEqual([table["table"] for table in report["tables"]], ["chosen"])
            for words, text in ((("--table", "chosen", "--tables-exclude", "corpus.cho*"),
                                 "table chosen: left out"),
                                (("--tables-include", "other.*"), "leave no table of keyspace")):
                refused = support.run(self.command("copy", *words))
                self.assertEqual(refused.returncode, 2)
                self.assertIn(text, refused.stderr)
        finally:
            self.both("DROP TABLE corpus.chosen")

    def test_7_what_cannot_be_copied_is_refused_with_a_reason(self):
        self.source.query("CREATE TABLE corpus.only_source (k int PRIMARY KEY, v int)")
        self.source.query("CREATE TABLE corpus.narrow (k int PRIMARY KEY, v bigint)")
        self.target.query("CREATE TABLE corpus.narrow (k int PRIMARY KEY, v int)")
        try:
            for table, text in (("only_source", "create it first"), ("nothing", "no such table"),
                                ("narrow", "another type")):
                refused = support.run(self.command("copy", "--table", table))
                self.assertEqual(refused.returncode, 2)
                self.assertIn(text, refused.stderr)
        finally:
            self.source.query("DROP TABLE corpus.only_source")
            self.both("DROP TABLE corpus.narrow")


class CopyToOlder(CopyTest):
    """5.0.8 -> 4.1.10: the target cannot tell the times of elements, but it has them."""

    target_spec = Node("target", "4.1.10")
    element_times = False

    def test_every_case_is_copied_with_bytes_times_and_expiry(self):
        self.dualwrite("copy", "--restart", "true")
        self.assert_same()
        report = self.dualwrite("validate")
        self.assertEqual(report["differences"]["total"], 0)
        self.assertEqual(report["rechecked"], 0)

    def test_from_the_older_one_collections_need_a_policy(self):
        command = [support.program("dualwrite"), "copy", self.target.address,
                   self.source.address, "--keyspace", corpus.KEYSPACE, "--table", "collections",
                   "--state-dir", self.folder / "back", "--disable-source-tls", "true",
                   "--disable-target-tls", "true"]
        refused = support.run(command)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--unknown-writetime", refused.stderr)


class Resume(support_kills.KillTests, support.ClusterTest):
    """A copy that was killed goes on where it stopped."""

    # A killed node must not lose what it acknowledged.
    target_spec = Node("target", commitlog_sync="batch")
    ROWS = 30_000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for node in (cls.source, cls.target):
            node.query("CREATE KEYSPACE r WITH replication = "
                       "{'class': 'SimpleStrategy', 'replication_factor': 1}")
            node.query("CREATE TABLE r.t (k int PRIMARY KEY, v text, w int)")
        found = support.cluster(cls.source.address)
        session = found.connect()
        insert = session.prepare("INSERT INTO r.t (k, v, w) VALUES (?, ?, ?) USING TIMESTAMP ?")
        from cassandra.concurrent import execute_concurrent_with_args
        execute_concurrent_with_args(session, insert, [
            (number, f"value {number}", number, 1_000_000 + number) for number in range(cls.ROWS)])
        found.shutdown()

    def command(self, *more) -> list:
        return [support.program("dualwrite"), "copy", self.source.address, self.target.address,
                "--keyspace", "r", "--state-dir", self.folder / "state", "--disable-source-tls",
                "true", "--disable-target-tls", "true", "--json", *more]

    def ledger(self) -> sqlite3.Connection:
        (path,) = (self.folder / "state").glob("copy-*.sqlite")
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self.addCleanup(database.close)
        return database

    def done(self) -> list[tuple]:
        return self.ledger().execute(
            "SELECT range_start, range_end, row_count FROM done ORDER BY range_start").fetchall()

    def kill_after(self, ranges: int, *more) -> None:
        """Starts a copy and kills it with -9 when so many ranges are in the ledger."""
        process = subprocess.Popen([str(word) for word in self.command("--rate", "9000", *more)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            support.eventually(lambda: list((self.folder / "state").glob("copy-*.sqlite")))
            support.eventually(lambda: self.count() >= ranges or process.poll() is not None)
            self.assertIsNone(process.poll(), "the copy ended before it could be killed")
        finally:
            process.kill()
            process.wait()

    def count(self) -> int:
        try:
            return self.ledger().execute("SELECT count(*) FROM done").fetchone()[0]
        except (sqlite3.OperationalError, ValueError):  # not there yet
            return 0

    def test_1_killed_and_resumed_at_other_splits_covers_the_ring_exactly_once(self):
        self.kill_after(20, "--ranges", "200")
        first = self.done()
        self.kill_after(len(first) + 10, "--ranges", "77")
        done = support.run(self.command("--ranges", "300"))
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout.strip().splitlines()[-1])
        ranges = self.done()
        self.assertEqual(ranges[0][0], RING[0])
        self.assertEqual(ranges[-1][1], RING[1])
        for one, other in zip(ranges, ranges[1:]):
            self.assertEqual(one[1], other[0], "a gap or an overlap")
        self.assertTrue(set(first) <= set(ranges), "a range that was done was done again")
        self.assertEqual(sum(count for _, _, count in ranges), self.ROWS)
        self.assertLess(report["rows"], self.ROWS, "the last run copied everything again")
        self.assertEqual([], rows.differences(rows.read(self.source, "r", "t"),
                                              rows.read(self.target, "r", "t"))[:5])

    def test_2_a_finished_copy_has_nothing_left_to_do(self):
        done = support.run(self.command())
        report = json.loads(done.stdout.strip().splitlines()[-1])
        self.assertEqual(report["rows"], 0)
        self.assertEqual(report["ranges"]["done"], 0)

    def test_3_two_copies_at_once_are_refused(self):
        shutil.rmtree(self.folder / "state")  # a range in the ledger is then one of this copy
        process = subprocess.Popen(
            [str(word) for word in self.command("--rate", "3000")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            support.eventually(lambda: self.count() > 0)
            other = support.run(self.command())
            self.assertEqual(other.returncode, 2)
            self.assertIn("another copy is at work", other.stderr)
        finally:
            process.terminate()
            process.wait(20)

    def test_4_a_table_that_was_made_anew_is_not_taken_for_copied(self):
        self.target.query("DROP TABLE r.t")
        self.target.query("CREATE TABLE r.t (k int PRIMARY KEY, v text, w int)")
        refused = support.run(self.command())
        self.assertEqual(refused.returncode, 2)
        self.assertIn("made anew", refused.stderr)
        self.assertIn("--restart", refused.stderr)

    def test_5_a_target_that_goes_away_and_comes_back_loses_nothing(self):
        process = subprocess.Popen(
            [str(word) for word in self.command("--restart", "true", "--rate", "6000")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        support.eventually(lambda: self.count() > 5)
        self.target.kill9()
        time.sleep(2)
        self.target.restart().wait_ready()
        _, error = process.communicate(timeout=90)
        self.assertEqual(process.returncode, 0, error)
        self.assertEqual([], rows.differences(rows.read(self.source, "r", "t"),
                                              rows.read(self.target, "r", "t"))[:5])

    def test_6_a_range_that_fails_is_named_and_a_rerun_does_only_what_is_missing(self):
        shutil.rmtree(self.folder / "state")
        process = subprocess.Popen(
            [str(word) for word in self.command("--rate", "6000", "--retry-limit", "1s")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        support.eventually(lambda: self.count() > 5)
        self.target.kill9()
        output, error = process.communicate(timeout=90)
        self.target.restart().wait_ready()
        self.assertEqual(process.returncode, 2, error)
        report = json.loads(output.strip().splitlines()[-1])
        self.assertEqual(report["state"], "failed")
        self.assertTrue(report["failed_ranges"], report)
        failed = report["failed_ranges"][0]
        self.assertEqual(failed["table"], "t")
        self.assertTrue(failed["error"])
        self.assertIn(str(failed["start"]), error, "the log names the range too")
        before = self.done()
        again = support.run(self.command())
        self.assertEqual(again.returncode, 0, again.stderr)
        rest = json.loads(again.stdout.strip().splitlines()[-1])
        self.assertEqual(rest["rows"] + sum(count for _, _, count in before), self.ROWS)
        self.assertEqual([], rows.differences(rows.read(self.source, "r", "t"),
                                              rows.read(self.target, "r", "t"))[:5])


if __name__ == "__main__":
    unittest.main()
