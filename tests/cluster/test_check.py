"""--check looks at both sides, says what would not work, and starts nothing.
DUALWRITE_BUILD=build python3 tests/cluster/test_check.py -v"""

import json
import socket
import subprocess
import unittest

from support import ClusterTest, program, run
from support_proxy import free_port
from testbed import Node

TABLES = (
    "CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE shop.orders (id int PRIMARY KEY, total decimal, tags set<text>)",
    "CREATE TABLE shop.customers (id uuid, city text, name text, PRIMARY KEY (id, city))",
)


class Check(ClusterTest):
    source_spec = Node("source")
    target_spec = Node("target", "4.1.10", auth=True, tls=True)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for statement in TABLES:
            cls.source.query(statement)
            cls.target.query(statement)
        cls.tls = cls.target.authority().folder

    def proxy(self, *flags: str, login: bool = True,
              trust: bool = True) -> subprocess.CompletedProcess:
        self.state = self.folder / "state-of-nobody"
        words = [program("dualwrite-proxy"), "--check", self.source.address, self.target.address,
                 "--disable-source-tls", "true", "--proxy-port", free_port(),
                 "--metrics-port", free_port(), "--state-dir", self.state, *flags]
        if login:
            words += ["--target-username", "cassandra", "--target-password", "cassandra"]
        if trust:
            words += ["--target-tls-ca", self.tls / "ca.pem"]
        return run(words, 120)

    def check(self, done: subprocess.CompletedProcess, code: int, *texts: str) -> None:
        for text in texts:
            self.assertIn(text, done.stdout)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual(done.stderr, "")
        self.assertTrue(done.stdout.splitlines()[-1].startswith("result: "), done.stdout)

    def test_both_sides_are_described_and_nothing_is_started(self):
        done = self.proxy()
        self.check(done, 0, f"source {self.source.address}:9042",
                   f"target {self.target.address}:9042", "plain text", "TLS, verified: full",
                   "5.0.8", "4.1.10", "3/v3, 4/v4, 5/v5", "lz4", "snappy", "not asked for",
                   "PasswordAuthenticator; logged in as cassandra", "1 nodes, Murmur3Partitioner",
                   "2 compared", "result: it would work")
        self.assertNotIn("problem", done.stdout)
        self.assertFalse(self.state.exists())

    def test_without_credentials_it_says_what_it_could_not_look_at(self):
        done = self.proxy(login=False)
        self.check(done, 0, "PasswordAuthenticator; not logged in", "could not be compared",
                   "note: the target asks for credentials, which clients will bring")

    def test_wrong_credentials_are_a_problem(self):
        done = self.proxy("--target-username", "cassandra", "--target-password", "Xyzzy",
                          login=False)
        self.check(done, 1, "problem: the target: ", "password are incorrect")
        self.assertNotIn("Xyzzy", done.stdout)

    def test_a_certificate_of_another_authority_is_a_problem_and_the_flag_is_named(self):
        self.check(self.proxy("--target-tls-ca", self.tls / "wrong-ca.pem", trust=False), 1,
                   "problem: the target: ", "--target-tls-ca")

    def test_a_side_that_may_be_anybody_is_noted(self):
        self.check(self.proxy("--target-tls-verify", "none", trust=False), 0,
                   "TLS, verified: none", "note: the target could be anybody")

    def test_plain_text_towards_tls_and_tls_towards_plain_text_are_problems(self):
        self.check(self.proxy("--disable-target-tls", "true"), 1, "problem: the target: ", "TLS")
        done = run([program("dualwrite-proxy"), "--check", self.source.address,
                    self.source.address, "--disable-target-tls", "true", "--proxy-port", "0",
                    "--metrics-port", "0", "--state-dir", self.folder / "s"], 120)
        self.check(done, 1, "problem: the source: ", "--disable-source-tls")

    def test_a_side_that_does_not_answer_is_a_problem(self):
        done = run([program("dualwrite-proxy"), "--check", self.source.address, "127.0.0.1",
                    "--target-port", free_port(), "--disable-source-tls", "true",
                    "--disable-target-tls", "true", "--proxy-port", "0", "--metrics-port", "0",
                    "--state-dir", self.folder / "s"], 120)
        self.check(done, 1, "problem: the target: ", "Connection refused", "could not be compared")

    def test_source_and_target_must_be_two(self):
        done = run([program("dualwrite-proxy"), "--check", self.source.address,
                    self.source.address, "--disable-target-tls", "true", "--disable-source-tls",
                    "true", "--proxy-port", "0", "--metrics-port", "0", "--state-dir",
                    self.folder / "s"], 120)
        self.check(done, 1, "problem: source and target are the same node")

    def test_schemas_that_differ_are_problems(self):
        self.source.query("CREATE TABLE shop.only_here (id int PRIMARY KEY)")
        self.source.query("CREATE KEYSPACE other WITH replication = "
                          "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        self.source.query("CREATE TABLE other.t (id int PRIMARY KEY)")
        self.source.query("ALTER TABLE shop.orders ADD note text")
        try:
            self.check(self.proxy(), 1, "problem: the target has no table shop.only_here",
                       "problem: the target has no keyspace other (1 tables at the source)",
                       "problem: shop.orders: the target has no column note", "3 problems")
            # A job looks at its own tables only.
            job = self.copy("--table", "customers")
            self.assertEqual(job.returncode, 0, job.stdout + job.stderr)
            job = self.copy("--table", "nothing")
            self.assertEqual(job.returncode, 2, job.stdout + job.stderr)
            self.assertEqual(json.loads(job.stdout)["problems"],
                             ["the source has no table shop.nothing"])
        finally:
            self.source.query("DROP TABLE shop.only_here")
            self.source.query("DROP KEYSPACE other")
            self.source.query("ALTER TABLE shop.orders DROP note")

    def copy(self, *flags: str) -> subprocess.CompletedProcess:
        return run([program("dualwrite"), "copy", "--check", "--json", self.source.address,
                    self.target.address, "--disable-source-tls", "--keyspace", "shop",
                    "--target-username", "cassandra", "--target-password", "cassandra",
                    "--target-tls-ca", self.tls / "ca.pem", "--state-dir", self.folder / "job",
                    *flags], 120)

    def test_a_job_is_checked_in_the_same_way_as_json(self):
        done = self.copy()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report["source"]["release"], "5.0.8")
        self.assertEqual(report["target"]["username"], "cassandra")
        self.assertEqual((report["problems"], report["tables"]), ([], 2))
        self.assertNotEqual(report["source"]["host_id"], report["target"]["host_id"])
        self.assertLess(abs(report["source"]["clock_ahead_ms"]), 500)
        self.assertFalse((self.folder / "job").exists())

    def test_what_this_machine_lacks_is_a_problem(self):
        with socket.create_server(("0.0.0.0", 0)) as taken:
            port = taken.getsockname()[1]
            done = run([program("dualwrite-proxy"), "--check", self.source.address,
                        self.target.address, "--disable-source-tls", "true", "--proxy-port", port,
                        "--target-tls-ca", self.tls / "ca.pem", "--metrics-port", "0",
                        "--state-dir", "/proc/nothing"], 120)
        self.check(done, 1, f"problem: 0.0.0.0:{port} is in use by another process")


if __name__ == "__main__":
    unittest.main()
