"""Validation between real clusters: planted differences, and none where there is only lag.
DUALWRITE_BUILD=build python3 tests/cluster/test_validate.py -v"""

import threading
import unittest

from support import ClusterTest
from support_compare import compare_tables
from support_jobs import found, job
from support_planted import PlantedTests
from support_proxy import Proxy

_KEYSPACE = ("CREATE KEYSPACE {} WITH replication = "
             "{{'class': 'SimpleStrategy', 'replication_factor': 1}}")
_QUICK = ("--recheck-delay", "300ms", "--recheck-limit", "3")


class Validate(PlantedTests, ClusterTest):
    def make(self, keyspace: str) -> None:
        self.both(_KEYSPACE.format(keyspace))
        self.both(f"CREATE TABLE {keyspace}.t (k text, c int, s text static, v text, w text, "
                  "m map<text, int>, PRIMARY KEY (k, c))")
        for i in range(50):
            self.both(f"INSERT INTO {keyspace}.t (k, c, s, v, w, m) VALUES ('p{i % 7}', {i}, 's', "
                      f"'v{i}', 'w', {{'a': 1}}) USING TIMESTAMP {1000 + i}")

    def validate(self, keyspace: str, *options: str) -> tuple[int, dict]:
        return job("validate", self.source, self.target, keyspace, self.folder / keyspace,
                   *_QUICK, *options)

    def test_equal_sides_are_equal(self):
        self.make("same")
        code, report = self.validate("same")
        self.assertEqual((code, report["differences"]["total"]), (0, 0), report)
        self.assertEqual(report["rows"], 50)

    def test_a_planted_difference_of_each_kind_is_found(self):
        planted = {
            "missing": ("target", "DELETE FROM {t} WHERE k = 'p1' AND c = 1"),
            "extra": ("target", "INSERT INTO {t} (k, c, v) VALUES ('new', 1, 'x')"),
            "value": ("target", "UPDATE {t} USING TIMESTAMP 1002 SET v = 'zzz' "
                                "WHERE k = 'p2' AND c = 2"),
            "writetime": ("target", "UPDATE {t} USING TIMESTAMP 99999 SET v = 'v3' "
                                    "WHERE k = 'p3' AND c = 3"),
            "ttl": ("target", "UPDATE {t} USING TIMESTAMP 1004 AND TTL 5000 SET v = 'v4' "
                              "WHERE k = 'p4' AND c = 4"),
        }
        for kind, (_, text) in planted.items():
            with self.subTest(kind):
                keyspace = f"one_{kind}"
                self.make(keyspace)
                self.target.query(text.format(t=f"{keyspace}.t"))
                code, report = self.validate(keyspace)
                self.assertEqual(code, 1, report)
                self.assertEqual(report["differences"][kind], 1, report)
                self.assertEqual(report["differences"]["total"], 1, report)
                (difference,) = found(report)
                self.assertEqual(difference["kind"], kind)

    def test_static_columns_and_elements_are_compared_too(self):
        self.make("parts")
        self.target.query("UPDATE parts.t USING TIMESTAMP 5000 SET s = 'other' WHERE k = 'p5'")
        self.target.query("UPDATE parts.t USING TIMESTAMP 5000 SET m = m + {'b': 2} "
                          "WHERE k = 'p6' AND c = 6")
        self.source.query("DELETE w FROM parts.t USING TIMESTAMP 5000 WHERE k = 'p0' AND c = 0")
        code, report = self.validate("parts")
        self.assertEqual(code, 1, report)
        places = {(one["key"]["k"], one["key"].get("c"), one["columns"][0]["column"],
                   one.get("static", False)) for one in found(report)}
        self.assertEqual(places, {("'p5'", None, "s", True), ("'p6'", "6", "m", False),
                                  ("'p0'", "0", "w", False)})

    def test_repair_makes_the_target_equal_and_leaves_the_source(self):
        self.make("repaired")
        plain = "repaired.t"
        for text in (f"INSERT INTO {plain} (k, c, v, m) VALUES ('new', 1, 'x', {{'a': 1}}) "
                     "USING TTL 4000",
                     f"UPDATE {plain} USING TIMESTAMP 2000 SET v = 'later' "
                     "WHERE k = 'p1' AND c = 1",
                     f"UPDATE {plain} USING TIMESTAMP 2000 SET s = 'later', m = m + {{'b': 2}} "
                     "WHERE k = 'p2' AND c = 2",
                     f"DELETE FROM {plain} USING TIMESTAMP 2000 WHERE k = 'p3' AND c = 3",
                     f"DELETE w, m['a'] FROM {plain} USING TIMESTAMP 2000 "
                     "WHERE k = 'p4' AND c = 4"):
            self.source.query(text)
        self.target.query(f"INSERT INTO {plain} (k, c, v) VALUES ('extra', 1, 'x') "
                          "USING TIMESTAMP 3000")
        code, before = self.validate("repaired")
        self.assertEqual((code, before["repaired"]), (1, 0), before)
        code, report = self.validate("repaired", "--repair", "true")
        self.assertEqual(code, 0, report)
        self.assertEqual(report["differences"]["total"], before["differences"]["total"])
        self.assertEqual(report["repaired"], before["differences"]["total"])
        self.assertTrue(all(one["repaired"] for one in found(report)))
        source, target = self.sides()
        self.assertEqual(compare_tables(source, target, "repaired"), [])
        self.assertEqual(source.execute(f"SELECT count(*) FROM {plain}").one()[0], 50)
        code, after = self.validate("repaired")
        self.assertEqual((code, after["differences"]["total"]), (0, 0), after)

    def test_what_cannot_be_repaired_is_said(self):
        self.make("stuck")
        self.target.query("DELETE FROM stuck.t WHERE k = 'p1' AND c = 1")
        code, report = self.validate("stuck", "--repair", "true")
        self.assertEqual((code, report["repaired"]), (1, 0), report)
        (one,) = found(report)
        self.assertFalse(one["repaired"])
        self.assertIn("newer", one["repair_failure"])

    def test_writes_that_are_on_their_way_are_no_differences(self):
        self.make("live")
        with Proxy(self.source, self.target, self.folder / "live", "--wait", "false") as proxy:
            session = self.connect(proxy.address, proxy.port)
            insert = session.prepare("INSERT INTO live.t (k, c, v) VALUES (?, ?, ?)")
            delete = session.prepare("DELETE FROM live.t WHERE k = ? AND c = ?")
            over = threading.Event()
            written = [0]

            def write():
                while not over.is_set():
                    i = written[0] = written[0] + 1
                    session.execute(insert, (f"p{i % 7}", i % 200, f"live {i}"))
                    if i % 5 == 0:
                        session.execute(delete, (f"p{i % 7}", i % 200))

            writer = threading.Thread(target=write)
            writer.start()
            try:
                results = [self.validate("live") for _ in range(3)]
            finally:
                over.set()
                writer.join()
        self.assertGreater(written[0], 100)
        for code, report in results:
            self.assertEqual((code, report["differences"]["total"]), (0, 0), report)


if __name__ == "__main__":
    unittest.main()
