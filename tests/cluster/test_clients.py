"""Real clients through the proxy: the Python driver and cqlsh see what they see without it.
DUALWRITE_BUILD=build python3 tests/cluster/test_clients.py -v"""

import unittest
from decimal import Decimal

from support import ClusterTest, eventually, fetch, run
from support_compare import compare_tables
from support_proxy import Proxy
from support_wire import Raw, query, segment

from cassandra.query import BatchStatement, SimpleStatement

_SCRIPT = """
CREATE KEYSPACE {k} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}};
USE {k};
CREATE TABLE users (name text, id int, address text, tags set<text>, PRIMARY KEY (name, id));
INSERT INTO users (name, id, address, tags) VALUES ('ada', 1, 'Main Street 1', {{'a', 'b'}});
INSERT INTO users (name, id, address) VALUES ('bob', 2, 'it''s far') USING TTL 5000;
UPDATE users SET address = 'naïve 東京' WHERE name = 'ada' AND id = 3;
BEGIN BATCH
  INSERT INTO users (name, id) VALUES ('eve', 1);
  UPDATE users SET address = 'x' WHERE name = 'eve' AND id = 2;
  DELETE FROM users WHERE name = 'eve' AND id = 3;
APPLY BATCH;
DELETE address FROM users WHERE name = 'eve' AND id = 2;
SELECT * FROM users;
SELECT name, count(*) FROM users GROUP BY name;
EXPAND ON;
SELECT name, id, address FROM users WHERE name = 'ada';
EXPAND OFF;
DESCRIBE TABLE users;
DESCRIBE KEYSPACE {k};
CONSISTENCY QUORUM;
SELECT no_such_column FROM users;
SELECT * FROM no_such_table;
PAGING 1;
SELECT name, id FROM users;
"""


class ClientTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = Proxy(cls.source, cls.target, cls.folder / "proxy").start()
        cls.addClassCleanup(cls.proxy.kill9)

    def assert_equal_sides(self, keyspace: str) -> None:
        self.proxy.wait_drained()
        source, target = self.sides()
        self.assertEqual(compare_tables(source, target, keyspace), [], self.proxy.log_tail(10))


class Cqlsh(ClientTest):
    def script(self, address: str, port: int, version: int, keyspace: str) -> str:
        """What cqlsh printed, on either stream."""
        done = run([fetch.cqlsh(), address, port, "--protocol-version", version, "--no-color",
                    "--encoding", "utf-8", "--disable-history"],
                   input=_SCRIPT.format(k=keyspace))
        return (done.stdout + done.stderr).replace(keyspace, "KEYSPACE")

    def test_a_script_prints_the_same_and_its_writes_arrive(self):
        for version in (4, 5):
            with self.subTest(protocol=version):
                direct = self.script(self.source.address, self.source.port, version,
                                     f"cqlsh_direct_{version}")
                name = f"cqlsh_proxied_{version}"
                proxied = self.script(self.proxy.address, self.proxy.port, version, name)
                self.assertEqual(self._normal(proxied, self.proxy),
                                 self._normal(direct, self.source))
                self.assertIn("naïve 東京", proxied)
                self.assertIn("CREATE TABLE KEYSPACE.users", proxied)
                self.assertIn("no_such_column", proxied)
                self.assert_equal_sides(name)
                [[rows]] = self.target.query(f"SELECT count(*) FROM {name}.users")
                self.assertEqual(int.from_bytes(rows, "big"), 4)

    @staticmethod
    def _normal(text: str, server) -> str:
        """Without the address and port, which differ by intent."""
        return text.replace(f"{server.address}:{server.port}", "SERVER").replace(
            server.address, "ADDRESS")


class Driver(ClientTest):
    """The same session of work on each protocol version, with and without compression."""

    def test_answers_are_the_same_and_writes_arrive(self):
        for version, compression in ((4, False), (4, "lz4"), (5, False), (5, "lz4")):
            with self.subTest(protocol=version, compression=compression):
                name = f"driver_{version}_{compression or 'plain'}"
                options = {"protocol_version": version, "compression": compression}
                through = self.connect(self.proxy.address, self.proxy.port, **options)
                direct = self.connect(self.source.address, **options)
                self._schema(through, name)
                self._write(through, name)
                self.assertEqual(self._read(through, name), self._read(direct, name))
                self.assertEqual(through.cluster.metadata.keyspaces[name].export_as_string(),
                                 self._refreshed(direct, name))
                self.assert_equal_sides(name)

    @staticmethod
    def _refreshed(session, name: str) -> str:
        session.cluster.refresh_schema_metadata()
        return session.cluster.metadata.keyspaces[name].export_as_string()

    @staticmethod
    def _schema(session, name: str) -> None:
        session.execute(f"CREATE KEYSPACE {name} WITH replication = "
                        "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        session.execute(f"CREATE TABLE {name}.t (k int, c int, s text static, v text, b blob, "
                        "d decimal, m map<text, int>, u tuple<int, text>, PRIMARY KEY (k, c))")

    @staticmethod
    def _write(session, name: str) -> None:
        insert = session.prepare(
            f"INSERT INTO {name}.t (k, c, s, v, b, d, m, u) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        for number in range(200):
            session.execute(insert, (number % 10, number, f"static {number}", "v" * number,
                                     bytes(number), Decimal(number) / 7, {"a": number},
                                     (number, "x")))
        # Larger than a segment of v5, and compressible.
        session.execute(insert, (50, 1, None, "x" * 600_000, bytes(300_000), None, None, None))
        session.execute(f"UPDATE {name}.t USING TTL 1000 SET v = 'simple' WHERE k = 1 AND c = 1")
        batch = BatchStatement()
        for number in range(30):
            batch.add(insert, (60, number, None, "batch", None, None, None, None))
        batch.add(SimpleStatement(f"DELETE FROM {name}.t WHERE k = 2"))
        session.execute(batch)

    @staticmethod
    def _read(session, name: str) -> list:
        read = session.prepare(f"SELECT * FROM {name}.t WHERE k = ?")
        found = [session.execute(read, (k,)).all() for k in range(70)]
        paged = SimpleStatement(f"SELECT k, c, v, writetime(v) FROM {name}.t", fetch_size=17)
        found.append(list(session.execute(paged)))
        for wrong in (f"SELECT nothing FROM {name}.t", "SELEC 1", f"INSERT INTO {name}.t (k) "
                      "VALUES (1)", f"SELECT * FROM {name}.t WHERE v = 'x'"):
            try:
                session.execute(wrong)
                found.append("no error")
            except Exception as error:  # compared with the other side's
                found.append((type(error).__name__, str(error)))
        return found

    def test_events_and_traces_pass(self):
        session = self.connect(self.proxy.address, self.proxy.port)
        other = self.connect(self.source.address)
        other.execute("CREATE KEYSPACE seen_by_event WITH replication = "
                      "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        eventually(lambda: "seen_by_event" in session.cluster.metadata.keyspaces, 10)
        result = session.execute("SELECT key FROM system.local", trace=True)
        self.assertTrue(result.get_query_trace(max_wait_sec=10).events)


class Transparent(ClientTest):
    def test_answers_are_the_bytes_of_the_source(self):
        requests = ["SELECT key, cluster_name FROM system.local",
                    "SELECT nothing FROM system.local",
                    "SELECT * FROM system_schema.columns", "USE system_schema",
                    "USE no_such_keyspace", "LIST ROLES"]
        for version in (4, 5):
            for text in requests:
                with self.subTest(version=version, text=text):
                    self.assertEqual(self._answer(self.proxy.address, self.proxy.port,
                                                  version, text),
                                     self._answer(self.source.address, 9042, version, text))

    @staticmethod
    def _answer(address: str, port: int, version: int, text: str) -> bytes:
        with Raw(address, port, version) as raw:
            request = query(text, version, stream=77)
            raw.send(segment(request) if version == 5 else request)
            return raw.read_everything()


if __name__ == "__main__":
    unittest.main()
