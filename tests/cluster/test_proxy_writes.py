"""Which statement reaches the target and how: replayed, refreshed, mirrored, or counted.
DUALWRITE_BUILD=build python3 tests/cluster/test_proxy_writes.py -v"""

import json
import threading
import time
import unittest
import uuid

from support import ClusterTest, eventually
from support_compare import compare_tables
from support_proxy import Proxy
from support_wire import Relay

from cassandra.query import BatchStatement, BatchType, SimpleStatement

_KEYSPACE = ("CREATE KEYSPACE {} WITH replication = "
             "{{'class': 'SimpleStrategy', 'replication_factor': 1}}")


class WriteTest(ClusterTest):
    """A proxy for the class; a keyspace, made through it, for each test."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.relay = Relay(cls.target.address, cls.target.port)
        cls.addClassCleanup(cls.relay.close)
        cls.proxy = Proxy(cls.source, cls.relay, cls.folder / "proxy", "--wait", "false").start()
        cls.addClassCleanup(cls.proxy.kill9)

    def setUp(self):
        self.keyspace = f"k_{uuid.uuid4().hex[:12]}"
        self.session = self.connect(self.proxy.address, self.proxy.port)
        self.session.execute(_KEYSPACE.format(self.keyspace))

    def execute(self, text: str, values=None, times: int = 1) -> None:
        for _ in range(times):
            self.session.execute(text.replace("{}", self.keyspace), values)

    def prepare(self, text: str):
        return self.session.prepare(text.replace("{}", self.keyspace))

    def assert_equal_sides(self, *tables: str) -> None:
        self.proxy.wait_drained()
        source, target = self.sides()
        self.assertEqual(compare_tables(source, target, self.keyspace, tables or None), [],
                         self.proxy.log_tail(10))


class Replayed(WriteTest):
    def test_values_keep_their_write_time_and_ttl_however_they_are_sent(self):
        self.execute("CREATE TABLE {}.t (k int, c int, s int static, v text, m map<text, int>, "
                     "f frozen<list<int>>, PRIMARY KEY (k, c))")
        self.execute("INSERT INTO {}.t (k, c, v) VALUES (1, 1, 'simple')")
        self.execute("INSERT INTO {}.t (k, c, v, s) VALUES (1, 2, 'ttl', 7) USING TTL 1000")
        self.execute("UPDATE {}.t USING TIMESTAMP 1234567 AND TTL 5000 SET v = 'x' "
                     "WHERE k = 1 AND c = 3")
        self.execute("UPDATE {}.t SET m = {'a': 1, 'b': 2}, f = [1, 2] WHERE k = 2 AND c = 1")
        self.execute("UPDATE {}.t SET m['a'] = 5 WHERE k = 2 AND c = 1")
        insert = self.prepare("INSERT INTO {}.t (k, c, v) VALUES (?, ?, ?) USING TTL ?")
        self.session.execute(insert, (3, 1, None, 900))
        self.session.execute(insert.bind({"k": 3, "c": 2, "[ttl]": 900}))  # v is left unset
        self.session.use_client_timestamp = False
        self.session.execute(insert, (4, 1, "without a timestamp", 800))
        self.execute("DELETE v FROM {}.t WHERE k = 1 AND c = 1")
        self.assert_equal_sides()

    def test_statements_without_a_keyspace_follow_the_connections(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY, v text)")
        self.session.set_keyspace(self.keyspace)
        self.session.execute("INSERT INTO t (k, v) VALUES (1, 'simple')")
        prepared = self.session.prepare("INSERT INTO t (k, v) VALUES (?, 'prepared')")
        self.session.execute(prepared, (2,))
        batch = BatchStatement()
        batch.add(prepared, (3,))
        batch.add(SimpleStatement("INSERT INTO t (k, v) VALUES (4, 'batch')"))
        self.session.execute(batch)
        self.assert_equal_sides()
        [[count]] = self.target.query(f"SELECT count(*) FROM {self.keyspace}.t")
        self.assertEqual(int.from_bytes(count, "big"), 4)

    def test_deletes_of_rows_ranges_and_partitions_reach_the_target(self):
        self.execute("CREATE TABLE {}.t (k int, c int, d int, v int, PRIMARY KEY (k, c, d))")
        for k in range(4):
            for c in range(4):
                self.execute("INSERT INTO {}.t (k, c, d, v) VALUES (%s, %s, %s, 1)", (k, c, c))
        self.execute("DELETE FROM {}.t WHERE k = 0 AND c = 1 AND d = 1")
        self.execute("DELETE FROM {}.t WHERE k = 1")
        self.execute("DELETE FROM {}.t WHERE k = 2 AND c >= 1 AND c < 3")
        self.execute("DELETE FROM {}.t WHERE k IN (3, 4) AND c = 2")
        self.assert_equal_sides()
        [[count]] = self.target.query(f"SELECT count(*) FROM {self.keyspace}.t")
        self.assertEqual(int.from_bytes(count, "big"), 16 - 1 - 4 - 2 - 1)

    def test_batches_of_every_kind(self):
        self.execute("CREATE TABLE {}.a (k int PRIMARY KEY, v int)")
        self.execute("CREATE TABLE {}.b (k int, c int, v int, PRIMARY KEY (k, c))")
        one = self.prepare("INSERT INTO {}.a (k, v) VALUES (?, ?)")
        other = self.prepare("UPDATE {}.b USING TTL 500 SET v = ? WHERE k = ? AND c = ?")
        for kind in (BatchType.LOGGED, BatchType.UNLOGGED):
            batch = BatchStatement(kind)
            for number in range(20):
                batch.add(one, (number, number))
                batch.add(other, (number, 1, number))
                batch.add(SimpleStatement(
                    f"DELETE FROM {self.keyspace}.b WHERE k = {number} AND c = 2"))
            self.session.execute(batch)
        self.execute("BEGIN BATCH USING TIMESTAMP 99 INSERT INTO {}.a (k, v) VALUES (100, 1); "
                     "INSERT INTO {}.b (k, c, v) VALUES (100, 1, 1); APPLY BATCH")
        self.assert_equal_sides()

    def test_reads_stay_at_the_source(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY, reading_stays_here text)")
        read = self.prepare("SELECT reading_stays_here FROM {}.t WHERE k = ?")
        self.session.execute(read, (1,))
        self.execute("SELECT reading_stays_here FROM {}.t")
        time.sleep(0.5)
        self.assertIn(self.keyspace.encode(), self.relay.seen(), "the target got the DDL")
        self.assertNotIn(b"SELECT reading_stays_here", self.relay.seen())


class Refreshed(WriteTest):
    """Not repeatable: the source's state is read after the write and brought to the target."""

    def assert_equal_values(self, table: str, rows: int) -> None:
        self.proxy.wait_drained()
        source, target = self.sides()
        self.assertEqual(
            compare_tables(source, target, self.keyspace, [table], values_only=True), [],
            self.proxy.log_tail(10))
        found = target.execute(f"SELECT count(*) FROM {self.keyspace}.{table}").one()[0]
        self.assertEqual(found, rows)

    def test_lightweight_transactions(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY, v int)")
        self.execute("INSERT INTO {}.t (k, v) VALUES (1, 1) IF NOT EXISTS", times=2)
        self.execute("INSERT INTO {}.t (k, v) VALUES (2, 1) IF NOT EXISTS")
        self.execute("UPDATE {}.t SET v = 2 WHERE k = 1 IF v = 1")
        self.execute("UPDATE {}.t SET v = 3 WHERE k = 1 IF v = 1")
        self.execute("DELETE FROM {}.t WHERE k = 2 IF EXISTS")
        prepared = self.prepare("UPDATE {}.t SET v = ? WHERE k = ? IF v = ?")
        self.session.execute(prepared, (9, 1, 2))
        self.assert_equal_sides("t")

    def test_a_plain_write_after_a_lightweight_transaction_wins_on_both_sides(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY, v int)")
        self.session.use_client_timestamp = False
        insert = self.prepare("INSERT INTO {}.t (k, v) VALUES (?, 1) IF NOT EXISTS")
        update = self.prepare("UPDATE {}.t SET v = 2 WHERE k = ?")
        for number in range(200):
            self.session.execute(insert, (number,))
            self.session.execute(update, (number,))
        self.assert_equal_sides("t")
        found = self.sides()[1].execute(f"SELECT v FROM {self.keyspace}.t")
        self.assertEqual({v for v, in found}, {2})

    def test_lists(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY, l list<int>)")
        for change in ("[1, 2, 3]", "l + [4]", "[0] + l", "l - [2]"):
            self.execute(f"UPDATE {{}}.t SET l = {change} WHERE k = 1")
        self.execute("UPDATE {}.t SET l[0] = 9 WHERE k = 1")
        self.execute("DELETE l[1] FROM {}.t WHERE k = 1")
        self.assert_equal_values("t", 1)

    def test_counters(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY, n counter)")
        self.execute("UPDATE {}.t SET n = n + 5 WHERE k = 1", times=10)
        self.execute("UPDATE {}.t SET n = n - 1 WHERE k = 2", times=3)
        self.assert_equal_values("t", 2)

    def test_functions_of_the_server_have_one_value_for_both_sides(self):
        self.execute("CREATE TABLE {}.t (k uuid, id timeuuid, at timestamp, day date, hour time, "
                     "s set<uuid>, m map<text, timestamp>, n int, PRIMARY KEY (k, id))")
        self.execute(
            "INSERT INTO {}.t (k, id, at, day, hour, s, m) VALUES (uuid(), now(), "
            "currentTimestamp(), currentDate(), currentTime(), {uuid(), uuid()}, "
            "{'now()': toTimestamp(now())})", times=5)
        self.execute("INSERT INTO {}.t (k, id, day, n) VALUES (uuid(), currentTimeUUID(), "
                     "toDate(now()), %s)", (7,))
        whole = self.prepare("INSERT INTO {}.t (k, id, at, n, day) VALUES (uuid(), now(), "
                             "toTimestamp(now()), ?, currentDate()) USING TTL ?")
        self.assertEqual([column.name for column in whole.column_metadata], ["n", "[ttl]"])
        self.assertIsNone(whole.routing_key_indexes)
        key = uuid.uuid4()
        named = self.prepare("INSERT INTO {}.t (k, id, n) VALUES (:k, now(), :n)")
        self.assertEqual(named.routing_key_indexes, [0])
        batch = BatchStatement()
        for number in range(3):
            self.session.execute(whole, (number, 1000))
            self.session.execute(named, {"k": key, "n": number})
            batch.add(named, (key, number))
            batch.add(SimpleStatement(f"INSERT INTO {self.keyspace}.t (k, id) "
                                      "VALUES (uuid(), now())"))
        self.session.execute(batch)
        inserted = self.prepare("INSERT INTO {}.t (k, id, n) VALUES (uuid(), now(), ?) "
                                "IF NOT EXISTS")
        self.assertTrue(self.session.execute(inserted, (9,)).was_applied)
        counts = self.proxy.status()
        self.assert_equal_sides("t")
        self.assert_equal_values("t", 5 + 1 + 3 + 3 + 6 + 1)
        self.assertEqual(self.proxy.status()["dead_letters"], counts["dead_letters"])

    def test_truncate_under_load_leaves_both_sides_equal(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY, v text, s set<int>)")
        self.execute("CREATE TABLE {}.l (k int PRIMARY KEY, l list<int>)")
        self.execute("CREATE TABLE {}.n (k int PRIMARY KEY, v counter)")
        stop = threading.Event()
        counts = []

        def write(first: int) -> None:
            session = self.connect(self.proxy.address, self.proxy.port)
            number = first
            while not stop.is_set():
                session.execute(f"INSERT INTO {self.keyspace}.t (k, v, s) VALUES (%s, 'x', {{1}})",
                                (number % 997,))
                if number % 7 == 0:
                    session.execute(f"UPDATE {self.keyspace}.l SET l = l + [1] WHERE k = %s",
                                    (number % 97,))
                    session.execute(f"UPDATE {self.keyspace}.n SET v = v + 1 WHERE k = %s",
                                    (number % 13,))
                number += 4
            counts.append(number)

        threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(4):
            time.sleep(0.7)
            self.execute("TRUNCATE {}.t")
            self.execute("TRUNCATE {}.l")
        time.sleep(0.7)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(len(counts), 4)
        self.assert_equal_sides("t")
        self.assert_equal_values("n", 13)
        [[lists]] = self.source.query(f"SELECT count(*) FROM {self.keyspace}.l")
        self.assert_equal_values("l", int.from_bytes(lists, "big"))
        [[rows]] = self.source.query(f"SELECT count(*) FROM {self.keyspace}.t")
        self.assertGreater(int.from_bytes(rows, "big"), 10)
        self.execute("TRUNCATE {}.t")
        self.assert_equal_sides("t")
        self.assertEqual(self.target.query(f"SELECT k FROM {self.keyspace}.t"), [])
        self.assertNotIn(f"{self.keyspace}.t", self.counted())

    def counted(self) -> dict[str, str]:
        """Reasons by table."""
        return {one["table"]: one["reason"] for one in self.proxy.status()["not_replicated"]}


class Schema(WriteTest):
    def test_a_column_is_there_before_the_write_that_needs_it(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY)")
        for number in range(10):
            self.execute(f"ALTER TABLE {{}}.t ADD c{number} int")
            self.execute(f"INSERT INTO {{}}.t (k, c{number}) VALUES ({number}, {number})")
        self.assert_equal_sides()
        source, target = self.sides()
        tables = [one.cluster.metadata.keyspaces[self.keyspace].tables["t"]
                  for one in (source, target)]
        self.assertEqual(list(tables[0].columns), list(tables[1].columns))
        self.assertEqual(len(tables[0].columns), 11)

    def test_types_indexes_views_and_drops(self):
        self.execute("CREATE TYPE {}.address (street text, number int)")
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY, a frozen<address>, v int)")
        self.execute("CREATE INDEX by_v ON {}.t (v)")
        self.execute("CREATE TABLE {}.gone (k int PRIMARY KEY)")
        self.execute("INSERT INTO {}.t (k, a, v) VALUES (1, {street: 'x', number: 2}, 3)")
        self.execute("DROP TABLE {}.gone")
        self.proxy.wait_drained()
        for session in self.sides():
            session.cluster.refresh_schema_metadata()
            keyspace = session.cluster.metadata.keyspaces[self.keyspace]
            self.assertEqual(set(keyspace.tables), {"t"})
            self.assertEqual(set(keyspace.user_types), {"address"})
            self.assertEqual(set(keyspace.indexes), {"by_v"})
            rows = session.execute(f"SELECT v, a FROM {self.keyspace}.t").all()
            self.assertEqual([(v, tuple(a)) for v, a in rows], [(3, ("x", 2))])

    def test_what_a_failed_ddl_did_not_do_is_not_done_at_the_target(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY)")
        with self.assertRaises(Exception):
            self.execute("ALTER TABLE {}.t DROP no_such_column")
        self.execute("INSERT INTO {}.t (k) VALUES (1)")
        self.assert_equal_sides()


class Watching(WriteTest):
    def test_status_and_metrics_count_writes_and_name_no_values(self):
        self.execute("CREATE TABLE {}.t (k int PRIMARY KEY, v text)")
        before = self.proxy.metrics()
        for number in range(50):
            self.execute("INSERT INTO {}.t (k, v) VALUES (%s, 'secret-value')", (number,))
        self.proxy.wait_drained()
        after = eventually(lambda: self._grown(before, 50))
        self.assertGreater(len(after), 5)
        for text in (self.proxy.get("/status.json"), self.proxy.get("/metrics"), self.proxy.log()):
            self.assertNotIn("secret-value", text)
        json.loads(self.proxy.get("/status.json"))

    def _grown(self, before: dict, by: int) -> dict:
        """The counters that grew by at least so much."""
        after = self.proxy.metrics()
        grown = {name for name, value in after.items() if value >= before.get(name, 0) + by}
        return after if any("write" in name for name in grown) else {}


if __name__ == "__main__":
    unittest.main()
