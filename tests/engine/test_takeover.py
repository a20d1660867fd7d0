#!/usr/bin/env python3
"""One dualwrite-proxy takes the place of another, under load. `test_takeover.py RIG PROXY [CASE]`

Real processes between two fake clusters: no connection is refused, no acknowledged write is lost,
also if one of the two is killed in the middle. DUALWRITE_KILLS says how many times (5).
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

RIG, PROXY = sys.argv[1:3] if len(sys.argv) > 2 else ("", "")
LIMIT_S = 30
KILLS = int(os.environ.get("DUALWRITE_KILLS", "5"))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Takeover(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="dualwrite-takeover-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.log = self.folder / "log"
        self.port, self.metrics = free_port(), free_port()
        self.rig = subprocess.Popen([RIG], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.rig.communicate)
        self.source, self.target = self.rig.stdout.readline().split()
        self.pids: set[int] = set()
        self.addCleanup(self.kill_all)

    def kill_all(self):
        for pid in self.pids | {int(pid) for pid in
                                re.findall(r"process (\d+) is started", self.log.read_text())}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended

    def proxy(self, *words: str, **environment: str) -> subprocess.Popen:
        command = [PROXY, f"127.0.0.1:{self.source}", f"127.0.0.1:{self.target}",
                   "--disable-source-tls", "true", "--disable-target-tls", "true",
                   "--proxy-port", str(self.port), "--metrics-port", str(self.metrics),
                   "--state-dir", str(self.folder / "state"), "--wait", "false", *words]
        with open(self.log, "a") as log:
            made = subprocess.Popen(command, stderr=log, env={**os.environ, **environment})
        self.pids.add(made.pid)
        return made

    def wait_for(self, condition, what: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"no {what}:\n{self.log.read_text()}")
            time.sleep(0.01)

    def wait_for_lines(self, text: str, count: int = 1) -> None:
        self.wait_for(lambda: self.log.read_text().count(text) >= count, f"{count} times {text!r}")

    def status(self) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/status.json",
                                    timeout=LIMIT_S) as answer:
            return json.load(answer)

    def started(self, *words: str, **environment: str) -> subprocess.Popen:
        """With a load of eight clients."""
        first = self.proxy(*words, **environment)
        self.wait_for_lines("listening on")
        self.wait_for(lambda: self.status()["source"]["reachable"], "source")
        self.tell(f"load {self.port} 8")
        self.wait_for(lambda: self.status()["writes"] > 100, "load")
        return first

    def tell(self, line: str) -> None:
        self.rig.stdin.write(line + "\n")
        self.rig.stdin.flush()

    def check_nothing_lost(self, refused: bool = False) -> dict:
        time.sleep(0.2)
        self.tell("end")
        self.wait_for(lambda: self.status()["state"] == "running", "proxy")
        self.tell("report")
        json.loads(self.rig.stdout.readline())  # the clients have ended
        self.wait_for(lambda: self.status()["backlog"] == 0, "empty backlog")
        self.tell("report")
        report = json.loads(self.rig.stdout.readline())
        print(report, flush=True)
        self.assertGreater(report["acknowledged"], 100)
        self.assertEqual((report["missing_at_source"], report["missing_at_target"]), (0, 0), report)
        if not refused:
            self.assertEqual(report["refused"], 0, self.log.read_text())
        return report

    def test_each_takes_over_from_the_one_before(self):
        running = self.started()
        for number in range(2, 6):
            threads = str(number % 3 + 1)
            following = self.proxy("--take-over", "true", "--threads", threads)
            self.assertEqual(running.wait(LIMIT_S), 0)
            self.wait_for_lines("listening on", number)
            running = following
            time.sleep(0.2)
        report = self.check_nothing_lost()
        self.assertGreaterEqual(report["lost"], 8)  # the clients did see each change
        running.send_signal(signal.SIGTERM)
        self.assertEqual(running.wait(LIMIT_S), 0)
        self.assertFalse((self.folder / "state/takeover").exists())

    def test_a_signal_starts_the_next_one_and_the_service_manager_is_told(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(str(self.folder / "notify"))
        manager.settimeout(LIMIT_S)
        first = self.started(NOTIFY_SOCKET=str(self.folder / "notify"), WATCHDOG_USEC="60000000",
                             WATCHDOG_PID="1")
        first.send_signal(signal.SIGUSR2)
        self.assertEqual(first.wait(LIMIT_S), 0)
        pid = re.search(r"SIGUSR2: process (\d+) is started", self.log.read_text())[1]
        told = ""
        while "MAINPID" not in told:
            told = manager.recv(4096).decode()
        self.assertEqual(told, f"MAINPID={pid}")
        self.check_nothing_lost()
        # Once more, from one that was started so.
        os.kill(int(pid), signal.SIGUSR2)
        self.wait_for_lines("has taken over", 2)
        self.wait_for_lines("listening on", 3)
        while "WATCHDOG=1" not in told:  # WATCHDOG_PID was for the first one
            told = manager.recv(4096).decode()

    def test_a_next_one_that_cannot_start_changes_nothing(self):
        self.started()
        other = self.proxy("--take-over", "true", "--proxy-jks-file", "/no/such/file")
        self.assertEqual(other.wait(LIMIT_S), 255)
        other = self.proxy("--take-over", "true", "--metrics-host", "192.0.2.1")
        self.assertEqual(other.wait(LIMIT_S), 1)  # only found out when it has the spool
        self.wait_for_lines("did not take over: going on here")
        self.check_nothing_lost()

    def test_whoever_is_killed_nothing_is_lost_and_nobody_refused(self):
        seed = int(os.environ.get("DUALWRITE_SEED", random.randrange(1 << 32)))
        print(f"seed {seed}", flush=True)
        chance = random.Random(seed)
        running = self.started()
        for _ in range(KILLS):
            following = self.proxy("--take-over", "true")
            # Loading the program takes a while, the takeover itself some milliseconds.
            if chance.random() < 0.7:
                count = self.log.read_text().count("takes over")
                self.wait_for(lambda: self.log.read_text().count("takes over") > count or
                              following.poll() is not None or running.poll() is not None,
                              "takeover")
            time.sleep(chance.random() * 0.06)
            victim = chance.choice([running, following])
            victim.kill()
            victim.wait()
            running = self.one_that_serves(following if victim is running else running)
        self.check_nothing_lost(refused=True)

    def one_that_serves(self, running: subprocess.Popen) -> subprocess.Popen:
        """It, or the next one, if it had handed over to one that was killed and ends now."""
        processes = [running]

        def serves() -> bool:
            if processes[-1].poll() is not None:
                processes.append(self.proxy("--take-over", "true"))
            return self.answers()

        self.wait_for(serves, "proxy that serves")
        return processes[-1]

    def answers(self) -> bool:
        try:
            return self.status()["source"]["reachable"]
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
