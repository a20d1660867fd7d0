"""`dualwrite check` looks at both clusters, tries the target, and prints what it lacks.
DUALWRITE_BUILD=build python3 tests/cluster/test_preflight.py -v"""

import json
import subprocess
import unittest

from support import ClusterTest, program, run
from testbed import Node

KEYSPACE = ("CREATE KEYSPACE shop WITH replication = "
            "{'class': 'SimpleStrategy', 'replication_factor': 3}")
SCHEMA = (
    KEYSPACE,
    "CREATE TYPE shop.point (x int, y int)",
    'CREATE TYPE shop."Area" ("From" frozen<point>, until frozen<point>)',
    'CREATE TABLE shop."Orders" (id int, "When" timestamp, note text static, '
    'areas list<frozen<"Area">>, total decimal, PRIMARY KEY (id, "When")) '
    'WITH CLUSTERING ORDER BY ("When" DESC) AND default_time_to_live = 600 '
    "AND gc_grace_seconds = 3600 AND comment = 'what we don''t sell' AND compaction = "
    "{'class': 'TimeWindowCompactionStrategy', 'compaction_window_size': '2'}",
    "CREATE TABLE shop.visits (a text, b int, n counter, PRIMARY KEY ((a, b)))",
    "CREATE TABLE shop.people (id int PRIMARY KEY, name text, at point, born date)",
)
PROBES = ("old_writetime", "protocol_writetime", "cell_writetime", "cell_ttl", "late_write_loses",
          "late_delete_loses", "token_scan", "distinct", "logged_batch", "unlogged_batch")


class Preflight(ClusterTest):
    source_spec = Node("source")
    target_spec = Node("target", "4.0.18", auth=True)

    def setUp(self):
        for statement in SCHEMA:
            self.source.query(statement)

    def tearDown(self):
        self.source.query("DROP KEYSPACE IF EXISTS shop")
        self.target.query("DROP KEYSPACE IF EXISTS shop")
        left = self.target_query("SELECT keyspace_name FROM system_schema.keyspaces")
        self.assertFalse([name for (name,) in left if name.startswith("dualwrite")])

    def target_query(self, text: str) -> list:
        session = self.connect(self.target.address, protocol_version=4,
                               **self.login("cassandra", "cassandra"))
        return list(session.execute(text))

    def login(self, name: str, password: str) -> dict:
        from cassandra.auth import PlainTextAuthProvider
        return {"auth_provider": PlainTextAuthProvider(name, password)}

    def run_check(self, *flags: str, user: str = "cassandra") -> subprocess.CompletedProcess:
        return run([program("dualwrite"), "check", self.source.address, self.target.address,
                    "--disable-source-tls", "--disable-target-tls", "--target-username", user,
                    "--target-password", user, "--state-dir", self.folder / "state", *flags], 120)

    def report(self, code: int, *flags: str, **options) -> dict:
        done = self.run_check("--json", *flags, **options)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def make_target(self) -> None:
        done = self.run_check("--cql", "--probe", "false")
        self.assertEqual(done.returncode, 1, done.stderr)
        for text in done.stdout.split(";\n"):
            if text.strip():
                self.target.query(text)

    def test_what_the_target_lacks_is_printed_and_makes_it_complete(self):
        before = self.report(1, "--probe", "false")
        self.assertIn("the target has no keyspace shop (3 tables at the source)",
                      before["problems"])
        self.assertEqual([t["table"] for t in before["schema"] if t["missing"]],
                         ["shop.Orders", "shop.people", "shop.visits"])
        # One node cannot hold three replicas.
        self.assertIn("'datacenter1': '1'", before["statements"][0])
        self.make_target()
        after = self.report(0)
        self.assertEqual((after["problems"], after["statements"]), ([], []))
        self.assertFalse([t for t in after["schema"] if t["missing"] or t["differences"]])
        columns = "SELECT table_name, column_name, kind, position, clustering_order, type " \
                  "FROM system_schema.columns WHERE keyspace_name = 'shop'"
        options = "SELECT table_name, comment, default_time_to_live, gc_grace_seconds, " \
                  "compaction['class'] FROM system_schema.tables WHERE keyspace_name = 'shop'"
        source = self.connect(self.source.address)
        for text in (columns, options):
            self.assertEqual(list(source.execute(text)), self.target_query(text))

    def test_the_target_is_tried_and_nothing_is_left_of_it(self):
        self.make_target()
        report = self.report(0)
        self.assertEqual({key: report["probes"][key]["answer"] for key in PROBES},
                         {key: True for key in PROBES})
        self.assertEqual(report["probed"], "in a keyspace of its own")
        self.assertEqual(report["source"]["mutation_size_max"],
                         report["target"]["mutation_size_max"])
        self.assertGreater(report["free_bytes"], 1 << 20)
        (node,) = report["target"]["every_node"]
        self.assertEqual(node["release"], "4.0.18")
        self.assertLess(abs(node["clock_ahead_ms"]), 500)

    def test_a_user_who_may_not_create_is_told_so_and_what_to_do(self):
        self.make_target()
        self.target_query("CREATE ROLE IF NOT EXISTS small WITH PASSWORD = 'small' "
                          "AND LOGIN = true")
        report = self.report(0, user="small")
        self.assertTrue(report["probed"].startswith("not tried: "), report["probed"])
        self.assertIn("--probe-keyspace", report["probed"])
        self.assertEqual(report["probes"], {})
        self.target_query("GRANT CREATE ON KEYSPACE shop TO small")
        report = self.report(0, "--probe-keyspace", "shop", user="small")
        self.assertEqual(report["probed"], "in keyspace shop")
        self.assertIs(report["probes"]["cell_writetime"]["answer"], True)
        left = self.target_query(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'shop'")
        self.assertEqual(sorted(name for (name,) in left), ["Orders", "people", "visits"])

    def test_every_difference_has_its_table_and_its_sentence(self):
        self.make_target()
        for text in ("DROP TABLE shop.people",
                     "CREATE TABLE shop.people (id int PRIMARY KEY, name int, at point, more int)",
                     'ALTER TABLE shop."Orders" WITH default_time_to_live = 0 '
                     "AND gc_grace_seconds = 60"):
            self.target.query(text)
        done = self.run_check("--keyspace", "shop")
        self.assertEqual(done.returncode, 1, done.stdout)
        for text in ("people  4 columns    differs",
                     "problem: shop.people: column name has another type at the target: int, not "
                     "text", "problem: shop.people: the target has no column born",
                     "note: shop.people: column more exists at the target only",
                     "problem: shop.Orders: default_time_to_live is 600 at the source, 0 at the "
                     "target", "gc_grace_seconds is 3600 at the source, 60 at the target",
                     "write time per cell               yes", "result: 3 problems"):
            self.assertIn(text, done.stdout)
        # Only what was asked for is looked at.
        report = self.report(0, "--keyspace", "shop", "--table", "visits", "--probe", "false")
        self.assertEqual([t["table"] for t in report["schema"]], ["shop.visits"])

    def test_a_copy_refuses_what_would_lose_data_unless_a_policy_allows_it(self):
        self.make_target()
        self.target.query("ALTER TABLE shop.people DROP born")
        self.source.query("INSERT INTO shop.people (id, name, born) VALUES (1, 'a', '2000-01-01')")
        self.source.query("INSERT INTO shop.people (id, born) VALUES (2, '2000-01-01')")

        def job(verb: str, *flags: str) -> tuple[int, dict]:
            done = run([program("dualwrite"), verb, self.source.address, self.target.address,
                        "--disable-source-tls", "--disable-target-tls", "--target-username",
                        "cassandra", "--target-password", "cassandra", "--state-dir",
                        self.folder / "copy", "--keyspace", "shop", "--table", "people", "--json",
                        "--read-consistency", "ONE", *flags], 120)
            return done.returncode, json.loads(done.stdout)

        code, report = job("copy")
        self.assertEqual((code, report["error"], report["rows"]),
                         (2, "table people: the target has no column born", 0))
        self.assertEqual(self.target_query("SELECT * FROM shop.people"), [])
        for verb in ("copy", "validate"):
            code, report = job(verb, "--missing-columns", "leave-out")
            self.assertEqual((code, report["rows"]), (0, 2), report)
            self.assertEqual(report["tables"][0]["notes"],
                             ["column born is left out: the target lacks it"])
        self.assertEqual(self.target_query("SELECT id, name FROM shop.people"),
                         [(1, "a"), (2, None)])

    def test_what_is_not_there_is_a_problem(self):
        report = self.report(1, "--keyspace", "nothing", "--probe", "false")
        self.assertEqual(report["problems"], ["the source has no keyspace nothing with tables"])
        report = self.report(1, "--keyspace", "shop", "--table", "none", "--probe", "false")
        self.assertIn("the source has no table shop.none", report["problems"])
        done = self.run_check("--table", "people")
        self.assertEqual(done.returncode, 255)
        self.assertIn("--table needs --keyspace", done.stderr)


if __name__ == "__main__":
    unittest.main()
