"""Rows that were copied, and then changed through the proxy. CQL does not show whether a row has a
marker of its own (INSERT) or only cells (UPDATE), so a copy cannot know it.
DUALWRITE_BUILD=build python3 tests/cluster/test_proxy_copied_rows.py -v"""

import unittest

from support import ClusterTest, program, run
from support_compare import compare_tables
from support_proxy import Proxy

_KEYSPACE = ("CREATE KEYSPACE {} WITH replication = "
             "{{'class': 'SimpleStrategy', 'replication_factor': 1}}")


class CopiedRows(ClusterTest):
    """`changes` run through the proxy after the rows of `history` were copied."""

    def assert_equal_after(self, name: str, history: list[str], changes: list[str]) -> None:
        self.both(_KEYSPACE.format(name))
        self.both(f"CREATE TABLE {name}.t (k int, c int, v text, w text, PRIMARY KEY (k, c))")
        for text in history:
            self.source.query(text.format(t=f"{name}.t"))
        with Proxy(self.source, self.target, self.folder / name) as proxy:
            done = run([program("dualwrite"), "copy", self.source.address, self.target.address,
                        "--keyspace", name, "--disable-source-tls", "true",
                        "--disable-target-tls", "true", "--state-dir", self.folder / name])
            self.assertEqual(done.returncode, 0, done.stderr)
            session = self.connect(proxy.address, proxy.port)
            for text in changes:
                session.execute(text.format(t=f"{name}.t"))
            proxy.wait_drained()
        source, target = self.sides()
        self.assertEqual(compare_tables(source, target, name), [])

    def test_a_row_made_by_update_is_gone_when_its_last_cell_is(self):
        self.assert_equal_after(
            "by_update",
            ["UPDATE {t} SET v = 'x', w = 'y' WHERE k = 1 AND c = 1",
             "UPDATE {t} USING TTL 5000 SET v = 'x' WHERE k = 1 AND c = 2",
             "UPDATE {t} SET v = 'x' WHERE k = 1 AND c = 3"],
            ["DELETE v, w FROM {t} WHERE k = 1 AND c = 1",
             "DELETE v FROM {t} WHERE k = 1 AND c = 2",
             "UPDATE {t} SET v = null WHERE k = 1 AND c = 3"])

    def test_a_row_made_by_insert_stays_when_its_last_cell_is_gone(self):
        self.assert_equal_after(
            "by_insert",
            ["INSERT INTO {t} (k, c, v, w) VALUES (1, 1, 'x', 'y')",
             "INSERT INTO {t} (k, c) VALUES (1, 2)",
             "INSERT INTO {t} (k, c, v) VALUES (1, 3, 'x')",
             "UPDATE {t} SET v = 'newer' WHERE k = 1 AND c = 3"],
            ["DELETE v, w FROM {t} WHERE k = 1 AND c = 1",
             "UPDATE {t} SET v = 'x' WHERE k = 1 AND c = 2",
             "DELETE v FROM {t} WHERE k = 1 AND c = 2",
             "UPDATE {t} SET v = null WHERE k = 1 AND c = 3"])


if __name__ == "__main__":
    unittest.main()
