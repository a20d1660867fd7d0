#!/usr/bin/env python3
"""dualwrite-proxy as a service: sd_notify, watchdog, logs in JSON. `test_service.py PROXY CLI`"""

import datetime
import json
import os
import signal
import socket
import time
import unittest

import support

PLAIN = ("src", "tgt", "--proxy-port", "0")


class Manager:
    """What systemd is for a service: a socket that datagrams come to."""

    def __init__(self, address: str):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(support.LIMIT_S)
        self.told: list[str] = []

    def wait_for(self, wanted: str) -> str:
        while not self.told or wanted not in self.told[-1]:
            self.told.append(self.socket.recv(4096).decode())
        return self.told[-1]

    def listen(self, seconds: float) -> list[str]:
        """What comes within that time."""
        until, heard = time.monotonic() + seconds, []
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                heard.append(self.socket.recv(4096).decode())
            except TimeoutError:
                break
        self.socket.settimeout(support.LIMIT_S)
        return heard


class Service(support.ProgramTest):
    program = support.PROXY

    def managed(self, address: str = "", **environment: str):
        address = address or f"{self.folder}/notify"
        manager = Manager(address)
        self.addCleanup(manager.socket.close)
        running = self.start(*PLAIN, "--state-dir", self.folder, NOTIFY_SOCKET=address,
                             **environment)
        return manager, running

    def test_it_says_when_it_is_ready_reloads_and_stops(self):
        for address in ("", f"@dualwrite-test-{os.getpid()}"):
            manager, running = self.managed(address, FAKE_BACKLOG="1000")
            running.wait_for("listening on")
            self.assertEqual(manager.wait_for("READY"), "READY=1")
            running.signal(signal.SIGHUP)
            self.assertRegex(manager.wait_for("RELOADING"), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
            manager.wait_for("READY=1")
            running.signal(signal.SIGTERM)
            manager.wait_for("STOPPING=1")
            manager.wait_for("EXTEND_TIMEOUT_USEC=30000000")
            self.assertEqual(running.finish(), 0)
            self.assertNotIn("WATCHDOG=1", manager.told)
            self.assertNotIn("the service manager", running.seen)

    def test_signs_of_life_come_well_within_the_watchdogs_time(self):
        manager, running = self.managed(WATCHDOG_USEC="600000", FAKE_BACKLOG="12")
        manager.wait_for("READY=1")
        heard = manager.listen(1.5)
        self.assertIn(heard.count("WATCHDOG=1"), range(3, 9), heard)
        self.assertIn("STATUS=3 clients; 12 writes not yet at the target", heard)

    def test_a_loop_that_stands_still_gives_no_sign_of_life(self):
        manager, _ = self.managed(WATCHDOG_USEC="300000", FAKE_SILENCE="301")
        manager.wait_for("READY=1")
        self.assertEqual(manager.listen(1), [])

    def test_a_watchdog_for_another_process_is_none_of_ours(self):
        manager, _ = self.managed(WATCHDOG_USEC="300000", WATCHDOG_PID="1")
        manager.wait_for("READY=1")
        self.assertEqual(manager.listen(0.5), [])

    def test_a_manager_that_is_not_there_is_a_warning_and_no_more(self):
        for address in ("/no/such/socket", "/" + 200 * "x"):
            running = self.start(*PLAIN, "--state-dir", self.folder, NOTIFY_SOCKET=address)
            running.wait_for(f"$NOTIFY_SOCKET, {address}: ")
            running.signal(signal.SIGTERM)
            self.assertEqual(running.finish(), 0)


class JsonLog(support.ProgramTest):
    program = support.PROXY

    def lines(self, *words: str, **environment: str) -> list[dict]:
        done = self.run_program(*PLAIN, "--state-dir", self.folder, "--log-format", "json", *words,
                                **environment)
        return [json.loads(line) for line in done.stderr.splitlines()]

    def test_every_line_is_an_object_with_time_level_and_text(self):
        lines = self.lines(FAKE_FAILURE='a "spool"\nthat is \\ broken\x1b')
        self.assertGreater(len(lines), 10)
        for line in lines:
            self.assertEqual(set(line), {"time", "level", "program", "text"})
            self.assertIn(line["level"], ("debug", "info", "warning", "error"))
            self.assertEqual(line["program"], "dualwrite-proxy")
            at = datetime.datetime.strptime(line["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
            now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
            self.assertLess(abs(now - at), datetime.timedelta(minutes=1))
        self.assertIn("fake proxy: warning line", [line["text"] for line in lines])
        self.assertEqual(lines[-1]["level"], "error")
        self.assertEqual('a "spool"\nthat is \\ broken\x1b', lines[-1]["text"])

    def test_the_level_filters_here_too(self):
        lines = self.lines("--log-level", "error", FAKE_FAILURE="broken")
        self.assertEqual({line["level"] for line in lines}, {"error"})

    def test_a_start_that_fails_is_a_line_too(self):
        lines = self.lines(FAKE_START="connect")
        self.assertEqual((lines[-1]["level"], lines[-1]["text"]), ("error", "cannot connect"))

    def test_the_jobs_write_it_too(self):
        self.program = support.CLI
        done = self.run_program("copy", "s", "t", "--keyspace", "k", "--state-dir", self.folder,
                                "--log-format", "json", FAKE_START="connect")
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        self.assertEqual(lines[-1]["text"], "cannot connect")
        self.assertEqual({line["program"] for line in lines}, {"dualwrite"})

    def test_another_format_is_refused(self):
        done = self.run_program(*PLAIN, "--log-format", "xml")
        self.assertEqual(done.returncode, 255)
        self.assertIn("'xml' is not", done.stderr)


if __name__ == "__main__":
    support.main()
