"""Tests of the bed itself, against real nodes: python3 tests/testbed/test_bed.py [-v]"""

import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from testbed import Bed, BedError, Node, fetch  # noqa: E402
from testbed.process import Process  # noqa: E402

BED = Path(__file__).resolve().with_name("bed")
_KEYSPACE = ("CREATE KEYSPACE ks WITH replication = "
             "{'class': 'SimpleStrategy', 'replication_factor': %d}")

# Run by the interpreter that has the driver: argv is the bed's folder and the node's name.
_DRIVER = f"""
import sys
sys.path.insert(0, {str(BED.parent.parent)!r})
from testbed import Bed
from cassandra.cluster import Cluster
node = Bed(sys.argv[1], detached=True).node(sys.argv[2])
with Cluster(**node.driver_arguments()) as cluster:
    session = cluster.connect()
    print(session.execute("SELECT release_version FROM system.local").one()[0])
"""


class BedTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="bed-")
        self.addCleanup(folder.cleanup)
        self.bed = Bed(folder.name)
        self.addCleanup(self.bed.close)

    def up(self, *specs):
        return self.bed.up(*specs)

    def driver(self, node) -> subprocess.CompletedProcess:
        return subprocess.run([fetch.python(), "-c", _DRIVER, self.bed.root, node.name],
                              capture_output=True, text=True, timeout=60)


class OneNode(BedTest):
    def test_kill9_restart_and_stop_keep_the_data_and_the_address(self):
        [node] = self.up(Node("one", commitlog_sync="batch"))
        node.query(_KEYSPACE % 1)
        node.query("CREATE TABLE ks.t (k int PRIMARY KEY, v text)")
        node.query("INSERT INTO ks.t (k, v) VALUES (1, 'kept')")
        address, first = node.address, node.pid
        node.kill9()
        self.assertEqual(node.state(), "down")
        with self.assertRaises(ConnectionRefusedError):
            node.query("SELECT v FROM ks.t")

        node.restart().wait_ready()
        self.assertNotEqual(node.pid, first)
        self.assertEqual(node.address, address)
        self.assertEqual(node.query("SELECT v FROM ks.t WHERE k = 1"), [(b"kept",)])
        self.assertGreater(node.cpu_seconds(), 0.5)
        self.assertLess(node.memory_bytes(), 1200 << 20)
        partition, = node.sstabledump("ks.t")
        self.assertEqual(partition["rows"][0]["cells"][0]["value"], "kept")
        self.assertIn("UN  " + address, node.nodetool("status"))

        node.query("CREATE FUNCTION ks.f (a int) CALLED ON NULL INPUT RETURNS int "
                   "LANGUAGE java AS 'return a;'")
        node.query("CREATE MATERIALIZED VIEW ks.m AS SELECT * FROM ks.t "
                   "WHERE v IS NOT NULL AND k IS NOT NULL PRIMARY KEY (v, k)")
        node.stop()
        self.assertEqual(node.state(), "down")
        self.assertIn("system.log", node.log_tail())

    def test_pause_leaves_the_port_open_and_resume_answers_what_was_asked(self):
        [node] = self.up(Node("pausing"))
        node.pause()
        self.assertEqual(node.state(), "paused")
        with socket.create_connection((node.address, node.port), 5) as asked:
            asked.sendall(bytes([4, 0, 0, 0, 5, 0, 0, 0, 0]))
            asked.settimeout(0.5)
            with self.assertRaises(TimeoutError):
                asked.recv(9)
            node.resume()
            asked.settimeout(10)
            self.assertEqual(asked.recv(5)[4], 6, "SUPPORTED")
        self.assertEqual(node.state(), "up")

    def test_a_node_that_cannot_start_says_why(self):
        node = self.bed.start(Node("bad", config={"no_such_setting": 1}))
        with self.assertRaisesRegex(BedError, "(?s)exit code.*no_such_setting"):
            node.wait_ready()


class Security(BedTest):
    def test_login_and_certificate_are_asked_for_and_the_driver_has_both(self):
        [node] = self.up(Node("safe", auth=True, tls=True))
        done = self.driver(node)
        self.assertEqual(done.stdout.strip(), "5.0.8", done.stderr)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self._handshake(node, node.ssl_context(wrong=True))
        self._handshake(node, node.ssl_context())
        with self.assertRaisesRegex(BedError, "0x0100"):
            self._login(node, ("cassandra", "wrong"))
        with self.assertRaises(OSError):
            self._login(node, ("cassandra", "cassandra"), plain=True)
        pem = node.authority().folder / "ca.pem"
        shell = subprocess.run(
            [fetch.cqlsh(), node.address, "--ssl", "-u", "cassandra", "-p", "cassandra", "-e",
             "SELECT cluster_name FROM system.local"],
            env=os.environ | {"SSL_CERTFILE": str(pem)}, capture_output=True, text=True)
        self.assertIn("safe", shell.stdout, shell.stderr)

    def test_mutual_tls_refuses_clients_without_a_certificate(self):
        [node] = self.up(Node("mutual", tls="mutual"))
        self.assertEqual(node.query("SELECT cluster_name FROM system.local"), [(b"mutual",)])
        bare = ssl.create_default_context(cafile=str(node.authority().folder / "ca.pem"))
        with self.assertRaises(OSError):
            self._login(node, None, context=bare)

    def _handshake(self, node, context):
        with socket.create_connection((node.address, node.port), 10) as plain:
            context.wrap_socket(plain, server_hostname=node.address).close()

    def _login(self, node, auth, plain=False, context=None):
        from testbed.cql import Cql
        tls = None if plain else context or node.ssl_context()
        with Cql(node.address, node.port, auth, tls, 10):
            pass


class OldVersions(BedTest):
    def test_4_1_and_4_0_side_by_side_answer_the_driver(self):
        specs = Node("new", "4.1.10"), Node("old", "4.0.18", auth=True)
        for node in self.up(*specs):
            done = self.driver(node)
            self.assertEqual(done.stdout.strip(), node.version, done.stderr)


class Ring(BedTest):
    def test_two_nodes_form_one_ring_and_one_may_die(self):
        first, second = self.bed.start_ring([Node("r1"), Node("r2")])
        first.wait_ready()
        second.wait_ready()
        first.query(_KEYSPACE % 2)
        first.query("CREATE TABLE ks.t (k int PRIMARY KEY)")
        first.wait_ready()  # the schema is everywhere
        first.query("INSERT INTO ks.t (k) VALUES (7)")
        deadline = time.monotonic() + 10
        while (found := second.query("SELECT k FROM ks.t")) == [] and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(found, [(b"\0\0\0\7",)])
        first.kill9()
        self.assertEqual(second.query("SELECT k FROM ks.t"), [(b"\0\0\0\7",)])
        first.restart().wait_ready()


class NothingStays(BedTest):
    def test_a_killed_runner_leaves_no_node_though_a_short_thread_started_it(self):
        code = f"""
import sys, threading, time
sys.path.insert(0, {str(BED.parent.parent)!r})
from testbed import Bed, Node
bed = Bed({str(self.bed.root)!r})
started = threading.Thread(target=lambda: bed.start(Node("orphan")))
started.start(); started.join()
time.sleep(0.5)
print(bed.node("orphan").running(), bed.node("orphan").pid, flush=True)
time.sleep(60)
"""
        runner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        self.addCleanup(runner.stdout.close)
        running, pid = runner.stdout.readline().split()
        node = self.bed.node("orphan")
        self.assertEqual((running, node.state(), node.pid), ("True", "up", int(pid)))
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        self.assertTrue(Process(node.pid, node._process.start_time).wait(5))

    def test_an_exception_in_a_with_block_ends_the_nodes(self):
        with self.assertRaises(ZeroDivisionError), Bed(self.bed.root) as bed:
            node = bed.start(Node("unlucky"))
            self.assertEqual(node.state(), "up")
            1 / 0
        self.assertEqual(node.state(), "down")


class CommandLine(BedTest):
    def bed_command(self, *arguments, **environment):
        return subprocess.run([BED, "--dir", self.bed.root, *arguments], capture_output=True,
                              text=True, env=os.environ | environment)

    def test_a_node_lives_on_between_commands(self):
        self.addCleanup(self.bed_command, "down", "--all")
        up = self.bed_command("up", "a")
        self.assertEqual(up.returncode, 0, up.stderr)
        again = self.bed_command("up", "a")
        self.assertEqual(again.returncode, 1)
        self.assertIn("a runs already", again.stderr)
        address = self.bed.node("a").address
        taken = self.bed_command("up", "b", "--address", address)
        self.assertIn(f"{address} is held by node a", taken.stderr)
        self.assertEqual(self.bed_command("pause", "a").returncode, 0)
        self.assertIn("paused", self.bed_command("status").stdout)
        self.bed_command("resume", "a")
        self.bed_command("kill9", "a")
        self.assertIn("down", self.bed_command("status").stdout)
        restarted = self.bed_command("restart", "a")
        self.assertIn("a up in", restarted.stdout, restarted.stderr)
        self.assertIn("a: stopped", self.bed_command("down", "--all").stdout)

    def test_missing_programs_and_wrong_words_are_named(self):
        with tempfile.TemporaryDirectory() as empty:
            no_mvn = self.bed_command("fetch", PATH=f"{Path(sys.executable).parent}",
                                      DUALWRITE_BED_CACHE=empty)
            self.assertEqual(no_mvn.returncode, 1)
            self.assertRegex(no_mvn.stderr, "apt-get install (maven|openjdk)")
        nobody = self.bed_command("kill9", "nobody")
        self.assertIn("no node nobody in", nobody.stderr)
        self.assertEqual(self.bed_command("down").returncode, 1)

    def test_a_port_of_another_program_is_named(self):
        with socket.create_server(("127.0.99.1", 9042)):
            done = self.bed_command("up", "a", "--address", "127.0.99.1")
        self.assertIn("port 9042 of 127.0.99.1 is in use by another program", done.stderr)


if __name__ == "__main__":
    unittest.main()
