"""Real drivers, each a short program of ours (tests/drivers): the same transcript directly and
through the proxy, and every write at the target.
DUALWRITE_BUILD=build python3 tests/cluster/test_drivers.py -v

DUALWRITE_DRIVERS=all runs every protocol version and compression that a driver speaks, on every
version of Cassandra, with and without TLS and login; DUALWRITE_DRIVERS=go,rust only of these.
"""

import itertools
import os
import unittest

from support import ClusterTest, Node
from support_compare import compare_tables
from support_drivers import DRIVERS, PROGRAMS, run, run_cqlsh
from support_proxy import Proxy
from support_wire import Version4Only

from cassandra.auth import PlainTextAuthProvider

LOGIN = {"username": "cassandra", "password": "cassandra"}
CHOSEN = os.environ.get("DUALWRITE_DRIVERS", "")


def settings(*default: tuple) -> list[tuple]:
    """(driver, protocol version, compression): those given, or all of the drivers that
    DUALWRITE_DRIVERS names."""
    if not CHOSEN:
        return list(default)
    names = DRIVERS if CHOSEN == "all" else CHOSEN.split(",")
    return [(name, *one) for name in names for one in DRIVERS[name].settings()]


class DriverTest(ClusterTest):
    """One pair of clusters with a proxy between them; `secure`: login and TLS on all three legs."""

    secure = True
    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = Proxy(cls.source, cls.reach_target(), cls.folder / "proxy", *cls.flags(),
                          clusters_with_tls=cls.secure).start()
        cls.addClassCleanup(cls.proxy.kill9)

    @classmethod
    def reach_target(cls):
        return cls.target

    @classmethod
    def flags(cls) -> list[str]:
        # One proxy that is no node's neighbour: drivers are shown it, and nothing else.
        flags = ["--proxy-host", "127.0.0.1", "--peers", "self"]
        if cls.secure:
            ca = str(cls.source.authority().folder / "ca.pem")
            files = cls.source.authority().server_pem_files("127.0.0.1")
            flags += ["--source-tls-ca", ca,
                      *(["--target-tls-ca", ca] if cls.target.spec.tls
                        else ["--disable-target-tls", "true"]),
                      "--proxy-pem-keyfile", str(files["key"]),
                      "--proxy-pem-certfile", str(files["certificate"])]
        return flags

    def options(self, server, **more) -> dict:
        found = {"host": server.address, "port": server.port, **more}
        if self.secure:
            found |= LOGIN | {"ca": self.source.authority().folder / "ca.pem"}
        return found

    def session(self, node):
        """The bed's Python driver, past any proxy."""
        options = {"protocol_version": 4, "ssl_context": node.ssl_context()}
        if self.secure:
            options["auth_provider"] = PlainTextAuthProvider(**LOGIN)
        return self.connect(node.address, **options)

    def transcript(self, driver: str, server, keyspace: str, protocol: int,
                   compression: str) -> str:
        options = self.options(server, keyspace=keyspace, protocol=protocol)
        if driver == "cqlsh":
            text = run_cqlsh(self.folder / keyspace, **options)
        else:
            new = min(self.source.version, self.target.version) >= "5"
            # With version 3, Cassandra 4 answers with an error where it would have warned.
            warnings = protocol > 3 or self.source.version >= "5"
            text = run(driver, job="session", schema=PROGRAMS / "schema.cql",
                       compression=compression, warnings="yes" if warnings else "no",
                       vectors="yes" if new and DRIVERS[driver].vectors else "no", **options)
        for word, better in ((keyspace, "KEYSPACE"),
                             (f"{server.address}:{server.port}", "SERVER"),
                             (server.address, "ADDRESS")):
            text = text.replace(word, better)
        return text

    def check(self, *default: tuple) -> None:
        for driver, protocol, compression in settings(*default):
            if driver == "cqlsh" and protocol == 3 and self.source.version < "5":
                continue  # there its COPY fails now and then without a proxy too
            with self.subTest(driver=driver, protocol=protocol, compression=compression):
                number = next(self.numbers)
                direct, proxied = f"direct_{number:03}", f"through{number:03}"
                self.maxDiff = 20_000
                self.assertEqual(
                    self.transcript(driver, self.proxy, proxied, protocol, compression),
                    self.transcript(driver, self.source, direct, protocol, compression))
                self.assert_equal_sides(proxied)
            # A server with many tables warns of them, and drivers show the warning.
            self.drop(direct, proxied)

    def drop(self, *keyspaces: str) -> None:
        for keyspace in keyspaces:
            self.both(f"DROP KEYSPACE IF EXISTS {keyspace}")

    def assert_equal_sides(self, keyspace: str) -> None:
        self.proxy.wait_drained()
        source, target = self.session(self.source), self.session(self.target)
        tables = self.tables(source, keyspace)
        self.assertEqual(self.tables(target, keyspace), tables)
        found = compare_tables(source, target, keyspace, set(tables) - {"visits"},
                               untold=self.untold)
        if "visits" in tables:
            found += compare_tables(source, target, keyspace, ["visits"], values_only=True)
        self.assertEqual(found, [], self.proxy.log_tail(10))
        status = self.proxy.status()
        self.assertEqual((status["dead_letters"], status["target_errors"]), (0, 0), status)

    def untold(self, column) -> bool:
        """Lists get new write times at the target; before 5.0 nobody can ask for those of any
        collection."""
        if column.cql_type.startswith("list"):
            return True
        collection = column.cql_type.startswith(("set", "map")) or column.cql_type == "address"
        return collection and min(self.source.version, self.target.version) < "5"

    @staticmethod
    def tables(session, keyspace: str) -> list[str]:
        session.cluster.refresh_schema_metadata()
        return sorted(session.cluster.metadata.keyspaces[keyspace].tables)


class Source50(DriverTest):
    source_spec = Node("source", auth=True, tls=True)
    target_spec = Node("target", auth=True, tls=True)

    def test_transcripts_are_the_same_and_writes_arrive(self):
        self.check(("java", 5, "lz4"), ("go", 5, "none"), ("cqlsh", 5, "default"))


class Source41(DriverTest):
    source_spec = Node("source", "4.1.10", auth=True, tls=True)
    target_spec = Node("target", "4.1.10", auth=True, tls=True)

    def test_transcripts_are_the_same_and_writes_arrive(self):
        self.check(("node", 4, "none"), ("rust", 4, "lz4"))


class Source40(DriverTest):
    """Without TLS and login, to a target that is newer than the source."""

    secure = False
    source_spec = Node("source", "4.0.18")

    def test_transcripts_are_the_same_and_writes_arrive(self):
        self.check(("python", 4, "snappy"), ("go", 3, "lz4"))


class TargetOfVersion4(DriverTest):
    """Clients and source speak version 5, the target only 4."""

    source_spec = Node("source", auth=True, tls=True)
    target_spec = Node("target", "4.0.18", auth=True)

    @classmethod
    def reach_target(cls):
        relay = Version4Only(cls.target.address, cls.target.port)
        cls.addClassCleanup(relay.close)
        return relay

    def test_transcripts_are_the_same_and_writes_arrive(self):
        self.check(("python", 5, "lz4"))
        self.assertIn("connected, protocol version 4", self.proxy.log())


if CHOSEN:

    class Source50Plain(Source50):
        secure = False
        source_spec = Node("source")
        target_spec = Node("target")

    class Source41Plain(Source41):
        secure = False
        source_spec = Node("source", "4.1.10")
        target_spec = Node("target", "4.1.10")

    class Source40Secure(Source40):
        secure = True
        source_spec = Node("source", "4.0.18", auth=True, tls=True)
        target_spec = Node("target", auth=True, tls=True)


if __name__ == "__main__":
    unittest.main()
