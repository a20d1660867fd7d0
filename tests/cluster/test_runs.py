"""`dualwrite runs` says what ran and how far it came.
DUALWRITE_BUILD=build python3 tests/cluster/test_runs.py -v"""

import json
import unittest

from support import ClusterTest, eventually, program, run
from support_jobs import done_ranges, job, started

ROWS = 3000


class Runs(ClusterTest):
    def runs(self, code: int) -> list[dict]:
        done = run([program("dualwrite"), "runs", "--state-dir", self.folder / "state", "--json"])
        self.assertEqual((done.returncode, done.stderr), (code, ""))
        return json.loads(done.stdout)["runs"]

    def test_a_copy_that_was_killed_then_completed_then_validated(self):
        self.both("CREATE KEYSPACE ks WITH replication = "
                  "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        self.both("CREATE TABLE ks.t (id int PRIMARY KEY, v text)")
        session = self.connect(self.source.address)
        insert = session.prepare("INSERT INTO ks.t (id, v) VALUES (?, ?)")
        for future in [session.execute_async(insert, (n, "x" * 20)) for n in range(ROWS)]:
            future.result()
        state = self.folder / "state" / "one"
        job_of = ("copy", self.source, self.target, "ks", state)

        process = started(*job_of, "--rate", "500", "--ranges", "64")
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        eventually(lambda: list(state.glob("copy-*.sqlite")) and done_ranges(state, "t"))
        (running,) = self.runs(0)
        self.assertEqual((running["job"], running["state"], running["ended"]),
                         ("copy", "running", None))
        process.kill()
        process.wait()
        (killed,) = self.runs(1)
        self.assertEqual(killed["state"], "interrupted")
        (table,) = killed["tables"]
        self.assertGreater(table["done_fraction"], 0)
        self.assertLess(table["done_fraction"], 1)
        self.assertLess(table["rows"], ROWS)

        code, report = job(*job_of)
        self.assertEqual(code, 0, report)
        code, report = job("validate", self.source, self.target, "ks", state)
        self.assertEqual(code, 0, report)
        first, second, validation = self.runs(0)
        self.assertEqual([first["state"], first["tables"], second["state"]],
                         ["interrupted", [], "succeeded"])
        self.assertEqual((second["tables"][0]["done_fraction"], second["tables"][0]["rows"]),
                         (1, ROWS))
        self.assertEqual(second["rows"], ROWS - table["rows"])
        self.assertEqual((validation["job"], validation["state"], validation["rows"],
                          validation["differences"]), ("validate", "succeeded", ROWS, 0))
        self.target.query("DELETE FROM ks.t WHERE id = 7")
        job("validate", self.source, self.target, "ks", state)
        last = self.runs(0)[-1]
        self.assertEqual((last["state"], last["differences"]), ("different", 1))


if __name__ == "__main__":
    unittest.main()
