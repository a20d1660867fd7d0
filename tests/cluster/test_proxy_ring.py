"""A source, then a target of three nodes with three replicas, of which nodes are killed under load.
DUALWRITE_BUILD=build python3 tests/cluster/test_proxy_ring.py -v

The application writes with QUORUM: so it goes on while one node is away, with timeouts whose
outcome nobody knows. With ONE it would have to live with what it reads; so would a refresh.
"""

import os
import random
import tempfile
import time
import unittest
from pathlib import Path

from support import Node, cluster, eventually
from support_compare import compare_tables
from support_hard import HardWork, hard_differences, hard_schema
from support_proxy import Proxy
from testbed import Bed

from cassandra import ConsistencyLevel
from cassandra.concurrent import execute_concurrent_with_args

AWAY_S = 6


class SourceOfThree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="dualwrite-ring-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.bed = Bed(cls.folder / "bed")
        cls.addClassCleanup(cls.bed.close)
        # A killed node must not lose what it acknowledged.
        cls.ring = cls.bed.start_ring(
            [Node(f"ring-{number}", commitlog_sync="batch") for number in (1, 2, 3)])
        cls.target = cls.bed.start(Node("target"))
        for node in [*cls.ring, cls.target]:
            node.wait_ready()

    def session(self, node, level):
        found = cluster(node.address)
        found.profile_manager.default.consistency_level = level
        self.addCleanup(found.shutdown)
        return found.connect()

    def test_nodes_of_the_source_that_are_killed_cost_errors_but_no_difference(self):
        seed = int(os.environ.get("DUALWRITE_SEED", random.randrange(1 << 32)))
        print(f"seed {seed}", flush=True)
        source = self.session(self.ring[0], ConsistencyLevel.ALL)
        target = self.session(self.target, ConsistencyLevel.ONE)
        for session, replicas in ((source, 3), (target, 1)):
            for text in hard_schema(replicas):
                session.execute(text)
        proxy = Proxy(self.ring[0], self.target, self.folder / "proxy", "--wait", "false").start()
        self.addCleanup(proxy.kill9)
        work = HardWork(proxy.address, proxy.port, seed, level=ConsistencyLevel.QUORUM)
        self.addCleanup(work.stop)
        time.sleep(AWAY_S)
        for node in (self.ring[2], self.ring[0], self.ring[1]):
            before = work.acknowledged
            node.kill9()
            time.sleep(AWAY_S)
            # Without the node that the proxy speaks to, its clients have nobody.
            if node is not self.ring[0]:
                self.assertGreater(work.acknowledged, before)
            node.restart().wait_ready()
            time.sleep(AWAY_S)
        before = work.acknowledged
        time.sleep(AWAY_S)
        self.assertGreater(work.acknowledged, before + 20)
        work.stop()
        print(f"{work.acknowledged} writes acknowledged, {work.failed} failed", flush=True)
        proxy.wait_drained(120)
        time.sleep(4)  # for the TTLs of 2 s, and those delivered late with 1 s
        status = proxy.status()
        self.assertEqual(hard_differences(source, target), [], proxy.log_tail(20))
        self.assertGreater(status["redriven"] + status["refreshed"], 0)
        self.assertEqual(status["dead_letters"], 0, proxy.log_tail(20))

    @staticmethod
    def write(proxy, keys, value: int) -> None:
        found = cluster(proxy.address, proxy.port)
        session = found.connect()
        insert = session.prepare("INSERT INTO three.t (k, v) VALUES (?, ?)")
        insert.consistency_level = ConsistencyLevel.LOCAL_QUORUM
        execute_concurrent_with_args(session, insert, [(k, value) for k in keys])
        found.shutdown()

    def test_a_target_of_three_is_written_to_over_all_its_nodes_and_one_may_die(self):
        source = self.session(self.target, ConsistencyLevel.ONE)
        target = self.session(self.ring[1], ConsistencyLevel.QUORUM)
        for session, replicas in ((source, 1), (target, 3)):
            session.execute("CREATE KEYSPACE three WITH replication = {'class': 'SimpleStrategy', "
                            f"'replication_factor': {replicas}}}")
            session.execute("CREATE TABLE three.t (k int PRIMARY KEY, v int)")
        self.ring[0].wait_ready()
        proxy = Proxy(self.target, self.ring[0], self.folder / "three", "--wait", "false")
        # The second contact point is enough where the first one is away.
        proxy.command[2] = f"{self.ring[0].address},{self.ring[1].address}"
        proxy.start()
        self.addCleanup(proxy.kill9)
        eventually(lambda: proxy.status()["target_connections"] == 6)
        self.write(proxy, range(1000), 1)
        self.ring[0].kill9()
        self.write(proxy, range(500, 2000), 2)
        proxy.wait_drained()
        proxy.kill9()
        proxy.start()  # while the first contact point is away
        self.write(proxy, range(1500, 2500), 3)
        proxy.wait_drained()
        self.assertEqual(proxy.status()["target_connections"], 4)
        self.ring[0].restart().wait_ready()
        eventually(lambda: proxy.status()["target_connections"] == 6)
        self.assertEqual(compare_tables(source, target, "three"), [], proxy.log_tail(20))
        self.assertEqual(proxy.status()["dead_letters"], 0, proxy.log_tail(20))


if __name__ == "__main__":
    unittest.main()
