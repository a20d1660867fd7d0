"""Copies that are killed with -9: at every change of the ledger's file, and at random moments; each
is resumed with another number of ranges. A part of test_copy.py.

DUALWRITE_COPY_KILLS=all kills at every change (over a hundred) and at 50 random moments; by default
some of the changes and 3 moments are enough.
"""

import os
import random
import shutil
import signal
import subprocess
import time

import support_jobs as jobs
import support_rows as rows
from support import ROOT

ALL = os.environ.get("DUALWRITE_COPY_KILLS") == "all"
ROWS = 300


class KillTests:
    """Of a ClusterTest with the keyspace r."""

    def fill_small(self) -> None:
        for text in ("DROP TABLE IF EXISTS r.small",
                     "CREATE TABLE r.small (k int PRIMARY KEY, v text, w int)"):
            self.both(text)
        for number in range(ROWS):
            self.source.query(
                f"INSERT INTO r.small (k, v, w) VALUES ({number}, 'v', {number}) USING TIMESTAMP "
                f"{1_000_000 + number} AND TTL {90_000 * (number % 2)}")

    def killer(self):
        """The library that kills at a change of a file."""
        library = self.folder / "kill_at_write.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library,
                        ROOT / "tests/support/kill_at_write.c", "-ldl"], check=True)
        return library

    def small_copy(self, state, ranges: int, *more: str, **environment) -> int:
        """Its exit code; of one that was killed, minus the signal."""
        done = subprocess.run(
            jobs.command("copy", self.source, self.target, "r", state, "--table", "small",
                         "--ranges", str(ranges), *more),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
            env={**os.environ, **{name: str(value) for name, value in environment.items()}})
        self.assertIn(done.returncode, (0, -signal.SIGKILL), done.stderr)
        return done.returncode

    def assert_copied_once(self, state) -> None:
        found = jobs.done_ranges(state, "small")
        self.assertEqual(jobs.gaps(found), [])
        self.assertEqual(sum(count for _, _, count in found), ROWS)
        self.assertEqual([], rows.differences(rows.read(self.source, "r", "small"),
                                              rows.read(self.target, "r", "small"))[:5])

    def test_8_killed_at_changes_of_the_ledger(self):
        self.fill_small()
        library = self.killer()
        at, kills = 1, 0
        while True:
            with self.subTest(change=at):
                state = self.folder / f"killed-{at}"
                self.target.query("TRUNCATE r.small")
                code = self.small_copy(state, 20, LD_PRELOAD=library, DW_KILL_FILE=".sqlite",
                                       DW_KILL_AT=at)
                if code == 0:
                    break
                kills += 1
                self.assertEqual(self.small_copy(state, 33), 0)
                self.assert_copied_once(state)
                shutil.rmtree(state)
            # Most of what is left out is one range after another.
            at += 1 if ALL else at
        self.assertGreater(kills, 5, "the ledger's file was hardly ever changed")

    def test_9_killed_at_random_moments_with_other_ranges_and_workers(self):
        self.fill_small()
        chance = random.Random(20)
        for number in range(50 if ALL else 3):
            with self.subTest(number=number):
                state = self.folder / f"random-{number}"
                self.target.query("TRUNCATE r.small")
                kills = 0
                while kills < 3:
                    process = jobs.started(
                        "copy", self.source, self.target, "r", state, "--table", "small",
                        "--ranges", str(chance.choice((20, 50, 90))), "--concurrency",
                        str(chance.choice((1, 8, 64))), "--rate", "400")
                    time.sleep(chance.uniform(0.05, 0.5))
                    process.kill()
                    if process.wait() == 0:
                        break
                    kills += 1
                self.assertEqual(self.small_copy(state, chance.randrange(17, 200)), 0)
                self.assert_copied_once(state)
                shutil.rmtree(state)
