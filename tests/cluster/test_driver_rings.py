"""A ring of three nodes as source: no driver finds a way around the proxy.
DUALWRITE_BUILD=build python3 tests/cluster/test_driver_rings.py -v

Each driver has its defaults: it asks the node that it reaches for the others, and spreads its
requests over all that it learns. A write that went to a node directly would not be at the target.
"""

import tempfile
import unittest
from pathlib import Path

from support import Node, cluster
from support_drivers import DRIVERS, run
from support_proxy import Proxy
from testbed import Bed

WRITES = 300


class Ring(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="dualwrite-ring-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.bed = Bed(cls.folder / "bed")
        cls.addClassCleanup(cls.bed.close)
        cls.ring = cls.bed.start_ring([Node(f"ring-{number}") for number in (1, 2, 3)])
        cls.target = cls.bed.start(Node("target"))
        for node in [*cls.ring, cls.target]:
            node.wait_ready()

    def sessions(self):
        """To the source and to the target, past any proxy."""
        for node in (self.ring[0], self.target):
            found = cluster(node.address)
            self.addCleanup(found.shutdown)
            yield found.connect()

    def written(self, proxy: Proxy, driver: str) -> tuple[int, int, str]:
        """Rows at the source and at the target after the driver wrote WRITES, and what it said."""
        keyspace = f"{self._testMethodName[5:20]}_{driver}"
        source, target = self.sessions()
        for session in (source, target):
            session.execute(f"CREATE KEYSPACE {keyspace} WITH replication = "
                            "{'class': 'SimpleStrategy', 'replication_factor': 1}")
            session.execute(f"CREATE TABLE {keyspace}.rows (k int PRIMARY KEY, v text)")
        self.ring[0].wait_ready()
        said = run(driver, job="writes", host=proxy.address, port=proxy.port, keyspace=keyspace,
                   count=WRITES)
        proxy.wait_drained()
        at_source, at_target = (session.execute(f"SELECT count(*) FROM {keyspace}.rows").one()[0]
                                for session in (source, target))
        return at_source, at_target, said

    def check(self, proxy: Proxy, nodes: int) -> None:
        """Each driver knows so many nodes, and all that it wrote is at the target."""
        for driver in DRIVERS:
            if driver != "cqlsh":
                with self.subTest(driver=driver):
                    at_source, at_target, said = self.written(proxy, driver)
                    self.assertIn(f"writes: {WRITES} nodes {nodes}\n", said)
                    self.assertEqual((at_source, at_target), (WRITES, WRITES), said)

    def test_a_proxy_on_every_node(self):
        # --peers proxied, the default. The proxy listens on all addresses of this machine, so it is
        # there at each node's address.
        with Proxy(self.ring[0], self.target, self.folder / "every") as proxy:
            self.check(proxy, nodes=3)

    def test_one_proxy_for_the_ring(self):
        # --peers self: drivers are shown the one proxy and its node's tokens.
        with Proxy(self.ring[0], self.target, self.folder / "one", "--proxy-host", "127.0.0.1",
                   "--peers", "self") as proxy:
            self.check(proxy, nodes=1)

    def test_nodes_as_they_are_lead_around_the_proxy(self):
        # --peers source: what the other two avoid; it shows that these tests can fail.
        with Proxy(self.ring[0], self.target, self.folder / "around", "--peers",
                   "source") as proxy:
            at_source, at_target, said = self.written(proxy, "python")
            self.assertEqual(at_source, WRITES, said)
            self.assertLess(at_target, WRITES, said)


if __name__ == "__main__":
    unittest.main()
