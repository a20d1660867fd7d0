"""50,000 mixed writes, five kills of the proxy, one outage of the target: nothing lost, nothing
different. DUALWRITE_BUILD=build python3 tests/cluster/test_proxy_kill9.py -v"""

import os
import random
import time
import unittest

from support import SCHEMA, ClusterTest, statements
from support_application import Application, Worker
from support_compare import differences, snapshot
from support_hard import HardWork, hard_differences, hard_schema
from support_proxy import Proxy, spawner
from support_sstables import disk_differences
from testbed import Node

WRITES = int(os.environ.get("DUALWRITE_WRITES", "50000"))
KILLS = int(os.environ.get("DUALWRITE_KILLS", "5"))
KEYSPACE = "migrationkeyspace"
TABLES = ("events", "orders", "readings", "sessions", "users")
OUTAGE_S = int(os.environ.get("DUALWRITE_OUTAGE_S", "10"))


class KilledProxy(ClusterTest):
    # The source counts every acknowledged write; the target is killed, so it must keep its own.
    target_spec = Node("target", commitlog_sync="batch")

    def setUp(self):
        self.seed = int(os.environ.get("DUALWRITE_SEED", random.randrange(1 << 32)))
        print(f"seed {self.seed}", flush=True)
        for text in (*statements(SCHEMA), *hard_schema()):
            self.both(text)
        self.proxy = Proxy(self.source, self.target, self.folder / "proxy").start()
        self.addCleanup(self.proxy.kill9)

    def test_every_acknowledged_write_is_equal_on_both_sides(self):
        pace = {"pause_s": 0.05}
        workers = [Worker(5, options=pace), Worker(4, client_timestamps=False, options=pace),
                   Worker(5, client_timestamps=False, compression=True, options=pace),
                   Worker(4, options=pace)]
        application = Application(self.folder / "application", self.proxy.address, self.proxy.port,
                                  workers, self.seed, spawner())
        self.addCleanup(application.kill)
        hard = HardWork(self.proxy.address, self.proxy.port, self.seed)
        self.addCleanup(hard.stop)
        self._disturb(application)
        model = application.stop()
        hard.stop()
        print(f"{hard.acknowledged} transactions, lists, counters ... acknowledged, "
              f"{hard.failed} failed", flush=True)
        counters = application.counters()
        print(f"{counters['acknowledged']} writes acknowledged in {counters['requests']} requests, "
              f"{counters['retried']} tried again, {counters['doubtful']} in doubt", flush=True)
        self.assertGreaterEqual(counters["acknowledged"], WRITES)
        began = time.monotonic()
        self.proxy.wait_drained(90 + OUTAGE_S)
        print(f"drained in {time.monotonic() - began:.1f} s", flush=True)
        time.sleep(4)  # for the TTLs of 2 s, and those delivered late with 1 s
        self._compare(model)
        self.assertEqual(self.proxy.stop(), 0, self.proxy.log_tail())

    def _disturb(self, application) -> None:
        """Kills at random moments of the run, among them one while the target is away."""
        chance = random.Random(self.seed)
        step = WRITES // (KILLS + 1)
        for kill in range(KILLS):
            application.wait_for(application.acknowledged + chance.randrange(step // 2, step))
            if kill == KILLS // 2:
                self._outage(application)
            self.proxy.kill9()
            # Documented flags that may change from start to start.
            self.proxy.start("--wait", chance.choice(["true", "false"]))
            print(f"killed and restarted the proxy at {application.acknowledged}", flush=True)
        application.wait_for(max(WRITES, application.acknowledged + step // 2))

    def _outage(self, application) -> None:
        """The target is killed and comes back; the application must not notice (I4)."""
        before, errors = application.acknowledged, application.errors()
        self.target.kill9()
        time.sleep(OUTAGE_S / 2)
        self.assertEqual(application.errors(), errors, application.counters())
        self.proxy.kill9()
        self.proxy.start("--wait", "false")
        time.sleep(OUTAGE_S / 2)
        during = application.acknowledged - before
        self.target.restart().wait_ready()
        print(f"target away for {OUTAGE_S} s and a start: {during} writes meanwhile", flush=True)
        self.assertGreater(during, 100)

    def _compare(self, model) -> None:
        source, target = self.sides()
        problems, rows = [], 0
        for table in TABLES:
            left = snapshot(source, KEYSPACE, table)
            right = snapshot(target, KEYSPACE, table)
            rows += len(left.rows)
            problems += [f"{table} {text}" for text in differences(left, right)]
            problems += model.problems(table, left, "source")
            problems += model.problems(table, right, "target")
        problems += hard_differences(source, target)
        print(f"{rows} rows compared, {len(problems)} differences", flush=True)
        self.assertGreater(rows, 1000)
        for table in ("users", "orders"):  # the others have cells that expire meanwhile
            problems += disk_differences(self.source, self.target, KEYSPACE, table)
        print(f"row markers and tombstones compared, {len(problems)} differences", flush=True)
        self.assertEqual(problems, [], "\n".join(problems) + "\n" + self.proxy.log_tail())


if __name__ == "__main__":
    unittest.main()
