"""Faults of both sides and of the operator, and what clients see of them: nothing they should not.
DUALWRITE_BUILD=build python3 tests/cluster/test_proxy_faults.py -v"""

import re
import signal
import subprocess
import time
import unittest

from support import ClusterTest, cluster, eventually
from support_compare import compare_tables
from support_proxy import Proxy, free_port
from support_wire import ERROR, Raw, Relay, envelope, startup
from testbed import Node

_KEYSPACE = ("CREATE KEYSPACE IF NOT EXISTS {} WITH replication = "
             "{{'class': 'SimpleStrategy', 'replication_factor': 1}}")


class FaultTest(ClusterTest):
    """Each test has a keyspace and a proxy of its own."""

    source_spec = Node("source", commitlog_sync="batch")
    target_spec = Node("target", commitlog_sync="batch")

    def setUp(self):
        self.keyspace = re.sub(r"\W", "_", self._testMethodName.lower())[5:45]
        self.addCleanup(self._target_back)
        self.both(_KEYSPACE.format(self.keyspace))
        self.both(f"CREATE TABLE {self.keyspace}.t (k int PRIMARY KEY, v text, n bigint)")

    def _target_back(self) -> None:
        if self.target.state() == "paused":
            self.target.resume()
        if self.target.state() == "down":
            self.target.restart().wait_ready()

    def proxy(self, *flags, **options) -> Proxy:
        made = Proxy(self.source, self.target, self.folder / self._testMethodName, *flags,
                     **options)
        self.addCleanup(made.kill9)
        return made

    def write(self, session, numbers, value: str = "v") -> list[float]:
        """One row for each number; how long each took in seconds."""
        statement = session.prepare(f"INSERT INTO {self.keyspace}.t (k, v, n) VALUES (?, ?, ?)")
        times = []
        for number in numbers:
            began = time.monotonic()
            session.execute(statement, (number, value, number))
            times.append(time.monotonic() - began)
        return times

    def assert_equal_sides(self, rows: int) -> None:
        source, target = self.sides()
        self.assertEqual(compare_tables(source, target, self.keyspace), [])
        found = target.execute(f"SELECT count(*) FROM {self.keyspace}.t").one()[0]
        self.assertEqual(found, rows)


class Target(FaultTest):
    def test_a_target_that_is_down_for_the_whole_run_gets_everything_later(self):
        self.target.stop()
        proxy = self.proxy("--wait", "false", "--drain-limit", "1s").start()
        session = self.connect(proxy.address, proxy.port)
        times = self.write(session, range(3000))
        self.assertLess(sorted(times)[int(len(times) * 0.99)], 0.1, "p99 in seconds")
        eventually(lambda: proxy.backlog() == 3000)
        proxy.stop()
        self.assertRegex(proxy.log_tail(), "3,?000 writes", "the operator is told what is left")
        self.target.restart().wait_ready()
        proxy.start()
        proxy.wait_drained()
        self.assert_equal_sides(3000)

    def test_a_target_that_goes_away_delays_waiting_clients_but_fails_none(self):
        proxy = self.proxy("--wait", "true", "--wait-limit", "500ms").start()
        session = self.connect(proxy.address, proxy.port)
        self.write(session, range(200))
        self.target.pause()
        times = self.write(session, range(200, 220))
        self.assertLess(max(times), 2, "no client waits much longer than the limit")
        self.target.kill9()
        self.write(session, range(220, 400))
        self.target.restart().wait_ready()
        self.write(session, range(400, 500))
        proxy.wait_drained()
        self.assert_equal_sides(500)

    def test_with_wait_the_target_has_a_write_when_the_client_is_answered(self):
        proxy = self.proxy("--wait", "true", "--wait-limit", "10s").start()
        session = self.connect(proxy.address, proxy.port)
        target = self.connect(self.target.address)
        for number in range(300):
            self.write(session, [number])
            found = target.execute(f"SELECT n FROM {self.keyspace}.t WHERE k = {number}").one()
            self.assertEqual(found, (number,))

    def test_a_table_that_the_target_gets_late_has_every_write(self):
        self.target.query(f"DROP TABLE {self.keyspace}.t")
        proxy = self.proxy("--wait", "true", "--wait-limit", "50ms").start()
        session = self.connect(proxy.address, proxy.port)
        self.write_without_warning(session, range(50))
        self.assertGreater(proxy.backlog(), 0)
        self.target.query(f"CREATE TABLE {self.keyspace}.t (k int PRIMARY KEY, v text, n bigint)")
        proxy.wait_drained()
        self.assert_equal_sides(50)

    def test_what_the_target_refuses_for_good_is_counted_by_table_and_reason(self):
        self.target.query(f"ALTER TABLE {self.keyspace}.t DROP n")
        proxy = self.proxy("--wait", "true", "--wait-limit", "50ms").start()
        session = self.connect(proxy.address, proxy.port)
        self.write_without_warning(session, range(20))
        self.both(f"CREATE TABLE {self.keyspace}.other (k int PRIMARY KEY)")
        session.execute(f"INSERT INTO {self.keyspace}.other (k) VALUES (1)")
        proxy.wait_drained()
        counted = {one["table"]: one for one in proxy.status()["not_replicated"]}
        self.assertEqual(counted[f"{self.keyspace}.t"]["count"], 20)
        self.assertTrue(counted[f"{self.keyspace}.t"]["reason"])
        self.assertIn(f"{self.keyspace}.t", proxy.log(), "the log names the table")
        [[count]] = self.target.query(f"SELECT count(*) FROM {self.keyspace}.other")
        self.assertEqual(int.from_bytes(count, "big"), 1, "other writes go on")

    def write_without_warning(self, session, numbers) -> None:
        statement = session.prepare(f"INSERT INTO {self.keyspace}.t (k, v, n) VALUES (?, ?, ?)")
        for number in numbers:
            result = session.execute_async(statement, (number, "v", number))
            result.result()
            self.assertIsNone(result.warnings)


class Source(FaultTest):
    def test_a_source_that_is_not_there_yet_gives_clients_a_clear_error(self):
        port = free_port()
        relay = None
        proxy = self.proxy(source_port=port)
        proxy.command[1] = "127.0.0.1"
        proxy.start()
        with Raw(proxy.address, proxy.port, started=False) as raw:
            raw.send(startup())
            opcode, _, body = raw.read_envelope()
        self.assertEqual(opcode, ERROR)
        self.assertIn("source", body[6:].decode())
        self.assertIn(str(port), proxy.log(), "the log says what cannot be reached")
        relay = Relay(self.source.address, self.source.port, port)
        self.addCleanup(relay.close)
        eventually(lambda: self._options_answered(proxy), 20)
        self.write(self.connect(proxy.address, proxy.port), range(100))
        proxy.wait_drained()
        self.assert_equal_sides(100)

    def test_a_source_that_restarts_costs_errors_but_no_difference(self):
        proxy = self.proxy("--wait", "false").start()
        session = self.connect(proxy.address, proxy.port)
        self.write(session, range(200))
        self.source.kill9()
        with self.assertRaises(Exception):
            self.write(session, [-1])
        self.assertTrue(proxy.running(), proxy.log_tail())
        self.source.restart().wait_ready()
        fresh = eventually(lambda: self._connected(proxy), 30)
        self.write(fresh, range(200, 400))
        proxy.wait_drained()
        self.assert_equal_sides(self._count())

    def _count(self) -> int:
        [[size]] = self.source.query(f"SELECT count(*) FROM {self.keyspace}.t")
        return int.from_bytes(size, "big")

    def _connected(self, proxy):
        found = cluster(proxy.address, proxy.port)
        try:
            session = found.connect()
        except Exception:  # the driver has several; what counts is that it connects in the end
            found.shutdown()
            return None
        self.addCleanup(found.shutdown)
        return session

    @staticmethod
    def _options_answered(proxy) -> bool:
        try:
            with Raw(proxy.address, proxy.port, started=False) as raw:
                raw.send(envelope(5))
                return raw.read_envelope()[0] == 6
        except OSError:
            return False


class Stop(FaultTest):
    def test_sigterm_delivers_what_waits_and_ends_with_0(self):
        proxy = self.proxy("--wait", "false").start()
        session = self.connect(proxy.address, proxy.port)
        self.write(session, range(100))
        self.target.pause()
        self.write(session, range(100, 600))
        proxy.signal(signal.SIGTERM)
        eventually(lambda: self._refused(proxy), 5)
        self.assertTrue(proxy.running(), "it waits for the target")
        self.target.resume()
        self.assertEqual(proxy.wait(), 0, proxy.log_tail())
        self.assert_equal_sides(600)

    def test_ctrl_c_drains_for_no_longer_than_the_limit(self):
        proxy = self.proxy("--wait", "false", "--drain-limit", "2s").start()
        session = self.connect(proxy.address, proxy.port)
        self.target.stop()
        self.write(session, range(300))
        began = time.monotonic()
        proxy.signal(signal.SIGINT)
        proxy.wait(10)
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertLess(time.monotonic() - began, 6)
        self._target_back()
        proxy.start()
        proxy.wait_drained()
        self.assert_equal_sides(300)

    def test_a_second_signal_stops_at_once(self):
        proxy = self.proxy("--wait", "false", "--drain-limit", "60s").start()
        session = self.connect(proxy.address, proxy.port)
        self.target.stop()
        self.write(session, range(300))
        proxy.signal(signal.SIGTERM)
        with self.assertRaises(subprocess.TimeoutExpired):
            proxy.wait(2)
        began = time.monotonic()
        proxy.signal(signal.SIGTERM)
        proxy.wait(10)
        self.assertLess(time.monotonic() - began, 2)
        self._target_back()
        proxy.start()
        proxy.wait_drained()
        self.assert_equal_sides(300)

    @staticmethod
    def _refused(proxy) -> bool:
        try:
            with Raw(proxy.address, proxy.port, started=False) as raw:
                raw.send(envelope(5))
                return raw.read_envelope(2)[0] == ERROR
        except OSError:
            return True


if __name__ == "__main__":
    unittest.main()
