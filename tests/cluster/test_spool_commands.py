"""`dualwrite spool` and `dualwrite dead-letters` on what a real proxy left, between real nodes.
DUALWRITE_BUILD=build python3 tests/cluster/test_spool_commands.py -v"""

import json
import re
from pathlib import Path

from support import ClusterTest, eventually, program, run
from support_compare import compare_tables
from support_proxy import Proxy
from testbed import Node

_KEYSPACE = ("CREATE KEYSPACE {} WITH replication = "
             "{{'class': 'SimpleStrategy', 'replication_factor': 1}}")
_TABLE = "CREATE TABLE {}.t (k int PRIMARY KEY, v text, l list<int>)"


class SpoolCommands(ClusterTest):
    source_spec = Node("source", commitlog_sync="batch")
    target_spec = Node("target", commitlog_sync="batch")

    def setUp(self):
        self.keyspace = re.sub(r"\W", "_", self._testMethodName.lower())[5:45]
        self.addCleanup(self._target_back)
        self.both(_KEYSPACE.format(self.keyspace))
        self.both(_TABLE.format(self.keyspace))
        self.proxy = Proxy(self.source, self.target, self.folder / self._testMethodName,
                           "--wait", "false", "--drain-limit", "1s")
        self.addCleanup(self.proxy.kill9)

    def _target_back(self) -> None:
        if self.target.state() == "down":
            self.target.restart().wait_ready()

    def command(self, *words):
        return run([program("dualwrite"), *words])

    def deliver(self, *words):
        return self.command(*words, f"{self.target.address}:{self.target.port}",
                            "--source", f"{self.source.address}:{self.source.port}",
                            "--disable-source-tls", "--disable-target-tls")

    def write(self, rows: int) -> None:
        """Some of everything: plain, with a TTL, a list, a transaction, a batch, a delete."""
        session = self.connect(self.proxy.address, self.proxy.port)
        table = f"{self.keyspace}.t"
        plain = session.prepare(f"INSERT INTO {table} (k, v) VALUES (?, ?)")
        for k in range(rows):
            session.execute(plain, (k, f"value {k}"))
        for k in range(0, rows, 10):
            session.execute(f"UPDATE {table} USING TTL 100000 SET v = 'short' WHERE k = {k}")
            session.execute(f"UPDATE {table} SET l = l + [{k}, 1] WHERE k = {k + 1}")
            session.execute(f"UPDATE {table} SET v = 'cas' WHERE k = {k + 2} "
                            f"IF v = 'value {k + 2}'")
            session.execute(f"BEGIN BATCH INSERT INTO {table} (k, v) VALUES ({k + 3}, 'b'); "
                            f"DELETE FROM {table} WHERE k = {k + 4}; APPLY BATCH")

    def assert_equal_sides(self) -> None:
        source, target = self.sides()
        self.assertEqual(compare_tables(source, target, self.keyspace), [])

    def test_replay_delivers_what_a_killed_proxy_left(self):
        self.target.stop()
        self.proxy.start()
        self.write(500)
        state = self.proxy.state
        beside = self.command("spool", "inspect", state, "--json")
        self.assertTrue(json.loads(beside.stdout)["in_use"])
        self.proxy.kill9()
        looked = self.command("spool", "inspect", state, "--json")
        self.assertEqual(looked.returncode, 0, looked.stderr)
        found = json.loads(looked.stdout)
        self.assertFalse(found["in_use"])
        self.assertEqual(found["unfinished"], 700)
        self.assertNotIn("value 1", looked.stdout)

        self.target.restart().wait_ready()
        replayed = self.deliver("spool", "replay", state)
        self.assertEqual(replayed.returncode, 0, replayed.stderr)
        self.assertIn("delivered: 700 writes; left: 0; dead letters: 0", replayed.stdout)
        self.assert_equal_sides()
        after = json.loads(self.command("spool", "inspect", state, "--json").stdout)
        self.assertEqual(after["unfinished"], 0)
        self.proxy.start()
        self.assertEqual(self.proxy.backlog(), 0)

    def test_dead_letters_are_retried_when_the_target_is_mended(self):
        self.target.query(f"DROP TABLE {self.keyspace}.t")
        self.proxy.start()
        state = self.proxy.state
        session = self.connect(self.proxy.address, self.proxy.port)
        insert = session.prepare(f"INSERT INTO {self.keyspace}.t (k, v) VALUES (?, ?)")
        for k in range(50):
            session.execute(insert, (k, "it's"))
        eventually(lambda: self.proxy.status()["dead_letters"] == 50, 60)
        listed = self.command("dead-letters", "list", state)
        self.assertEqual(listed.returncode, 1)
        self.assertIn("open: 50", listed.stdout)
        exported = self.command("dead-letters", "export", state).stdout.splitlines()
        self.assertEqual({json.loads(line)["statements"][0]["cql"] for line in exported},
                         {f"INSERT INTO {self.keyspace}.t (k, v) VALUES ({k}, 'it''s')"
                          for k in range(50)})

        self.target.query(_TABLE.format(self.keyspace))
        # A newer write must stay the newer one.
        session.execute(insert, (7, "newer"))
        self.proxy.wait_drained()
        retried = self.deliver("dead-letters", "retry", state)
        self.assertEqual(retried.returncode, 0, retried.stderr)
        self.assertIn("applied: 50; refused again: 0; open: 0", retried.stdout)
        self.assert_equal_sides()
        self.assertEqual(self.command("dead-letters", "list", state).returncode, 0)

    def test_a_damaged_spool_is_salvaged_and_what_is_lost_is_mended(self):
        self.target.stop()
        self.proxy.start()
        self.write(200)
        self.proxy.kill9()
        state = self.proxy.state
        (segment,) = Path(state, "spool").glob("dw-*.log")
        with open(segment, "r+b") as file:
            file.seek(20_000)
            byte = file.read(1)
            file.seek(20_000)
            file.write(bytes([byte[0] ^ 1]))
        self.assertEqual(self.command("spool", "inspect", state).returncode, 1)
        refused = self.deliver("spool", "replay", state)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("spool salvage", refused.stderr)

        into = f"{state}-new"
        saved = self.command("spool", "salvage", state, into, "--json")
        report = json.loads(saved.stdout)
        self.assertEqual((report["damages"], report["lost"]), (1, saved.returncode), report)
        self.target.restart().wait_ready()
        replayed = self.deliver("spool", "replay", into)
        self.assertEqual(replayed.returncode, 0, replayed.stderr)
        mended = self.command(
            "validate", f"{self.source.address}:{self.source.port}",
            f"{self.target.address}:{self.target.port}", "--keyspace", self.keyspace,
            "--state-dir", self.folder / "validate", "--disable-source-tls",
            "--disable-target-tls", "--repair")
        self.assertEqual(mended.returncode, 0, mended.stdout + mended.stderr)
        self.assert_equal_sides()


if __name__ == "__main__":
    import unittest
    unittest.main()
