"""Planted differences of every kind, in numbers: each is found, a dry run says what would be
written, a repair makes both sides equal, and under load nothing else is found. Parts of a table:
--where and --sample. A part of test_validate.py.

DUALWRITE_PLANTED=10000 plants as many; the default is 450.
"""

import os
import threading
from collections import Counter

from support import eventually
from support_compare import compare_tables
from support_jobs import found
from support_proxy import Proxy

from cassandra.concurrent import execute_concurrent

PLANTED = int(os.environ.get("DUALWRITE_PLANTED", "450"))
KEYSPACE = ("CREATE KEYSPACE {} WITH replication = "
            "{{'class': 'SimpleStrategy', 'replication_factor': 1}}")
TABLES = (
    "CREATE TABLE planted.t (k int, c int, s text static, v text, w text, m map<text, int>, "
    "l list<int>, PRIMARY KEY (k, c))",
    "CREATE TABLE planted.n (k int PRIMARY KEY, n counter)",
)
WRITTEN = 1_000_000
# What is written at the target alone, by the kind that is reported: {k} and {c} are the row. What
# would win against the source's cell there could only be passed by a later time, so none does.
PLANTS = {
    "missing": None,
    "extra": "INSERT INTO planted.t (k, c, v) VALUES ({k}, 900{c}, 'x') USING TIMESTAMP 1000001",
    "value": "UPDATE planted.t USING TIMESTAMP 999999 SET v = 'zzz' WHERE k = {k} AND c = {c}",
    "writetime": "UPDATE planted.t USING TIMESTAMP 999999 SET w = 'w' WHERE k = {k} AND c = {c}",
    "ttl": None,
    "map": "UPDATE planted.t USING TIMESTAMP 1000000 SET m['b'] = 2 WHERE k = {k} AND c = {c}",
    "list": "UPDATE planted.t USING TIMESTAMP 1000001 SET l = l + [7] WHERE k = {k} AND c = {c}",
    "static": "UPDATE planted.t USING TIMESTAMP 999999 SET s = 'other' WHERE k = {k}",
    "counter": "UPDATE planted.n SET n = n + 1 WHERE k = {k}",
}
# At the target the row, or for a static column all of the partition, has no such cell of its own.
LEFT_OUT = {"value": "v", "writetime": "w", "static": "s"}
REPORTED = {"map": "value", "list": "value", "static": "value", "counter": "value"}
ROWS_A_PARTITION = 10


def run_all(session, texts) -> None:
    execute_concurrent(session, [(text, ()) for text in texts], concurrency=64,
                       raise_on_first_error=True)


class PlantedTests:
    """Of a ClusterTest that has validate(keyspace, *options)."""

    def plant(self, *tables: str) -> None:
        self.both("DROP KEYSPACE IF EXISTS planted")
        self.both(KEYSPACE.format("planted"))
        for text in tables:
            self.both(text)

    def places(self):
        """(kind, partition, row) of each difference: every kind as often as the others, and at most
        one in a row."""
        kinds = list(PLANTS)
        for number in range(PLANTED):
            yield kinds[number % len(kinds)], number, number % ROWS_A_PARTITION

    @staticmethod
    def row(k: int, c: int, left_out: str = "") -> str:
        values = {"s": "'s'", "v": "'v'", "w": "'w'", "m": "{'a': 1}", "l": "[1, 2]"}
        values.pop(left_out, None)
        return (f"INSERT INTO planted.t (k, c, {', '.join(values)}) "
                f"VALUES ({k}, {c}, {', '.join(values.values())}) USING TIMESTAMP {WRITTEN}")

    def fill(self) -> None:
        both, source, target, plants = [], [], [], []
        for kind, k, c in self.places():
            if kind == "counter":
                both.append(f"UPDATE planted.n SET n = n + 5 WHERE k = {k}")
            for other in (c, (c + 1) % ROWS_A_PARTITION):
                here = other == c or kind == "static"
                source.append(self.row(k, other))
                if not (kind == "missing" and here):
                    target.append(self.row(k, other, LEFT_OUT.get(kind, "") if here else ""))
            if kind == "ttl":
                source.append(f"UPDATE planted.t USING TIMESTAMP {WRITTEN} AND TTL 90000 "
                              f"SET v = 'v' WHERE k = {k} AND c = {c}")
            if PLANTS[kind]:
                plants.append(PLANTS[kind].format(k=k, c=c))
        to_source, to_target = self.sides()
        run_all(to_source, both + source)
        run_all(to_target, both + target)
        run_all(to_target, plants)

    def test_all_that_was_planted_is_found_previewed_and_repaired(self):
        self.plant(*TABLES)
        self.fill()
        all_of_them = ("--differences-max", "100000")
        planted = Counter(REPORTED.get(kind, kind) for kind, _, _ in self.places())
        code, report = self.validate("planted", *all_of_them, "--repair", "--dry-run")
        self.assertEqual(code, 1)
        kinds = report["differences"]
        self.assertEqual({kind: kinds[kind] for kind in planted}, dict(planted))
        self.assertEqual(kinds["total"], PLANTED)
        # What only the list's own clock could mend is among them: everything can be written.
        self.assertEqual((report["would_repair"], report["repaired"]), (PLANTED, 0))
        lines = found(report)
        self.assertEqual(len(lines), PLANTED)
        self.check_previews(lines)

        code, again = self.validate("planted", *all_of_them)
        self.assertEqual(again["differences"], kinds, "the dry run wrote something")
        self.assertEqual(again["would_repair"], 0)
        code, repaired = self.validate("planted", *all_of_them, "--repair")
        self.assertEqual((code, repaired["repaired"]), (0, PLANTED), repaired)
        code, after = self.validate("planted")
        self.assertEqual((code, after["differences"]["total"]), (0, 0), after)
        source, target = self.sides()
        self.assertEqual(compare_tables(source, target, "planted", ["n"], values_only=True), [])

    def test_a_cell_that_is_newer_at_the_target_is_mended_once_and_keeps_its_time(self):
        self.plant("CREATE TABLE planted.late (k int PRIMARY KEY, v text)")
        self.source.query("INSERT INTO planted.late (k, v) VALUES (1, 'v') USING TIMESTAMP 1000")
        self.target.query("INSERT INTO planted.late (k, v) VALUES (1, 'z') USING TIMESTAMP 2000")
        code, report = self.validate("planted", "--repair")
        self.assertEqual((code, report["differences"]["value"], report["repaired"]), (0, 1, 1))
        self.assertEqual(self.target.query("SELECT v, writetime(v) FROM planted.late"),
                         [(b"v", (2001).to_bytes(8, "big"))])
        for flags in (("--repair",), ("--repair", "--dry-run")):
            code, report = self.validate("planted", *flags)
            self.assertEqual((code, report["differences"]["writetime"], report["repaired"],
                              report["would_repair"]), (1, 1, 0, 0))
            self.assertIn("written later", found(report)[0]["repair_failure"])

    def check_previews(self, lines: list[dict]) -> None:
        would = {}
        for line in lines:
            kind = "static" if line.get("static") else line["kind"]
            would.setdefault(kind, set()).add(
                (line["would_write"][0]["write"],
                 ",".join(line["would_write"][0]["columns"])))
        self.assertEqual(would["extra"], {("delete row", "")})
        self.assertEqual({write for write, _ in would["missing"]}, {"insert"})
        self.assertEqual(would["static"], {("update static", "s")})
        self.assertEqual(would["ttl"], {("update", "v")})
        self.assertEqual(would["writetime"], {("update", "w")})
        self.assertEqual(would["value"], {("update", "v"), ("delete element", "m"),
                                          ("delete column", "l"), ("add to counter", "n")})

    def test_a_condition_takes_whole_partitions_of_either_side(self):
        self.plant("CREATE TABLE planted.parts (a text, b int, c int, v int, "
                   "PRIMARY KEY ((a, b), c))")
        for number in range(60):
            self.both("INSERT INTO planted.parts (a, b, c, v) VALUES "
                      f"('p{number % 6}', 1, {number}, {number}) USING TIMESTAMP 1000")
        self.target.query("INSERT INTO planted.parts (a, b, c, v) VALUES ('extra', 1, 1, 1)")
        self.target.query("DELETE FROM planted.parts WHERE a = 'p1' AND b = 1 AND c = 1")
        this = ("--table", "parts", "--where")
        for condition, rows, differences in (("a = 'p0' AND b = 1", 10, 0),
                                             ("a IN ('p0', 'p1') AND b = 1", 20, 1),
                                             ("a = 'extra' AND b = 1", 1, 1),
                                             ("a = 'nobody' AND b = 1", 0, 0),
                                             ("token(a, b) > -9223372036854775808", 61, 2)):
            with self.subTest(condition):
                code, report = self.validate("planted", *this, condition)
                self.assertEqual((code, report["rows"], report["differences"]["total"]),
                                 (1 if differences else 0, rows, differences), report)
                self.assertAlmostEqual(report["done_fraction"], 1)
        code, report = self.validate("planted", *this, "v = 5")
        self.assertEqual(code, 2)
        self.assertIn("--where, asked at the source", report["error"])

    def test_a_sample_has_whole_partitions_and_names_its_share(self):
        self.plant("CREATE TABLE planted.many (k int PRIMARY KEY, v int)")
        session = self.connect(self.source.address)
        run_all(session, [f"INSERT INTO planted.many (k, v) VALUES ({k}, 1)" for k in range(2000)])
        code, all_rows = self.validate("planted", "--table", "many")
        self.assertEqual((code, all_rows["differences"]["missing"]), (1, 2000))
        seen = set()
        for seed in ("1", "1", "2"):
            code, part = self.validate("planted", "--sample", "10%", "--sample-seed", seed)
            self.assertEqual((code, part["sample_share"]), (1, 0.1))
            # 200 expected, with a standard deviation of 13.
            self.assertTrue(120 < part["rows"] < 280, part["rows"])
            seen.add(frozenset(line["token"] for line in found(part)))
        self.assertEqual(len(seen), 2, "the same seed gave two samples, or two seeds the same")

    def test_under_load_the_planted_ones_are_found_and_nothing_else(self):
        self.both(KEYSPACE.format("busy"))
        self.both("CREATE TABLE busy.t (k int, c int, v text, PRIMARY KEY (k, c))")
        planted = PLANTED // 10
        texts = [f"INSERT INTO busy.t (k, c, v) VALUES ({k}, 0, 'old') USING TIMESTAMP 1000"
                 for k in range(planted)]
        for side in self.sides():
            run_all(side, texts)
        run_all(self.sides()[1], [f"UPDATE busy.t USING TIMESTAMP 1000 SET v = 'planted' "
                                  f"WHERE k = {k} AND c = 0" for k in range(planted)])
        with Proxy(self.source, self.target, self.folder / "busy", "--wait", "false") as proxy:
            over, written, writer = self.writer(proxy, planted)
            try:
                eventually(lambda: written[0] > 100)
                code, report = self.validate("busy", "--differences-max", "100000")
            finally:
                over.set()
                writer.join()
        self.assertEqual((code, report["differences"]["total"]), (1, planted), report)
        self.assertEqual({line["key"]["c"] for line in found(report)}, {"0"})

    def writer(self, proxy, partitions: int):
        """Updates and deletes other rows of the same partitions through the proxy."""
        session = self.connect(proxy.address, proxy.port)
        insert = session.prepare("INSERT INTO busy.t (k, c, v) VALUES (?, ?, ?)")
        delete = session.prepare("DELETE FROM busy.t WHERE k = ? AND c = ?")
        over, written = threading.Event(), [0]

        def write():
            while not over.is_set():
                i = written[0] = written[0] + 1
                session.execute(insert, (i % partitions, 1 + i % 9, f"live {i}"))
                if i % 5 == 0:
                    session.execute(delete, (i % partitions, 1 + i % 9))

        writer = threading.Thread(target=write)
        writer.start()
        return over, written, writer

