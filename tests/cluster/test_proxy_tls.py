"""TLS and logins through the proxy, between nodes that demand them.
DUALWRITE_BUILD=build python3 tests/cluster/test_proxy_tls.py -v"""

import contextlib
import shutil
import signal
import socket
import ssl
import unittest

from support import ClusterTest, Node, cluster, eventually, run
from support_proxy import Proxy
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import NoHostAvailable
from testbed import fetch
from testbed.tls import PASSWORD as BED_PASSWORD

LOGIN = ("cassandra", "cassandra")
STORE_PASSWORD = "Xyzzy-store"
PLAIN = ("--disable-source-tls", "true", "--disable-target-tls", "true")


class TlsProxy(Proxy):
    """TLS to both clusters, as is the default."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        at = self.command.index(PLAIN[0])
        del self.command[at:at + len(PLAIN)]


class TlsTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = cls.source.authority()
        cls.ca = cls.authority.folder / "ca.pem"
        cls.keytool = fetch.keytool(fetch.runtime(cls.source.version).java)
        for folder in ("first", "second"):
            (cls.folder / folder).mkdir()
            cls.make_store(cls.folder / folder / "keystore.jks")

    @classmethod
    def make_store(cls, path) -> None:
        """The line of the tutorial; keytool wants the owner's name besides."""
        done = run([cls.keytool, "-genkey", "-keyalg", "RSA", "-alias", "selfsigned", "-keystore",
                    path, "-storepass", STORE_PASSWORD, "-validity", "360", "-keysize", "2048",
                    "-dname", "CN=proxy", "-ext", "san=ip:127.0.0.1"])
        assert done.returncode == 0, done.stdout + done.stderr
        done = run([cls.keytool, "-exportcert", "-rfc", "-alias", "selfsigned", "-keystore", path,
                    "-storepass", STORE_PASSWORD, "-file", path.with_suffix(".pem")])
        assert done.returncode == 0, done.stdout + done.stderr

    def proxy_of(self, source, target, *flags: str, start: bool = True, kind=TlsProxy) -> Proxy:
        self.store = self.folder / f"{self.id().rpartition('.')[2]}.jks"
        shutil.copy(self.folder / "first/keystore.jks", self.store)
        made = kind(source, target, self.folder / self.store.stem, "--proxy-jks-file",
                    str(self.store), "--proxy-jks-password", STORE_PASSWORD, *flags)
        self.addCleanup(made.kill9)
        return made.start() if start else made

    def client_context(self, which: str = "first") -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / which / "keystore.pem"))

    def client(self, proxy: Proxy, login=LOGIN, which: str = "first"):
        options = {"ssl_context": self.client_context(which),
                   "ssl_options": {"server_hostname": "127.0.0.1"}}
        if login:
            options["auth_provider"] = PlainTextAuthProvider(*login)
        found = cluster("127.0.0.1", proxy.port, **options)
        self.addCleanup(found.shutdown)
        return found.connect()

    def handshake(self, proxy: Proxy, session=None, which: str = "first"):
        """One TLS handshake as a client: what could be resumed, and whether this was."""
        context = self.__dict__.setdefault("contexts", {}).setdefault(
            which, self.client_context(which))
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as raw, \
                context.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as tls:
            return tls.session, tls.session_reused, tls.version()


class TlsAndLogin(TlsTest):
    """The source wants a client's certificate and a login, the target a login."""

    source_spec = Node("source", auth=True, tls="mutual")
    target_spec = Node("target", "4.1.10", auth=True, tls=True)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for node in (cls.source, cls.target):
            node.query("CREATE KEYSPACE ks WITH replication = "
                       "{'class': 'SimpleStrategy', 'replication_factor': 1}")
            node.query("CREATE TABLE ks.t (k text PRIMARY KEY, v int)")
        cls.shown = cls.authority.client_files()

    def flags(self, *more: str) -> list[str]:
        return ["--source-tls-ca", str(self.ca), "--target-tls-ca", str(self.ca),
                "--source-tls-cert", str(self.shown["certificate"]),
                "--source-tls-key", str(self.shown["key"]), *more]

    def proxy(self, *more: str, **options) -> Proxy:
        return self.proxy_of(self.source, self.target, *self.flags(), *more, **options)

    def rows(self, node, prefix: str) -> int:
        return len([row for row in node.query("SELECT k FROM ks.t")
                    if row[0].startswith(prefix.encode())])

    def test_a_driver_over_tls_on_all_three_legs_writes_to_both_sides(self):
        proxy = self.proxy()
        session = self.client(proxy)
        insert = session.prepare("INSERT INTO ks.t (k, v) VALUES (?, ?)")
        for i in range(50):
            session.execute(insert, (f"legs-{i}", i))
        proxy.wait_drained()
        self.assertEqual((self.rows(self.source, "legs"), self.rows(self.target, "legs")), (50, 50))
        self.assertEqual(proxy.status()["target"]["user"], LOGIN[0])
        self.assertNotIn("INSECURE", proxy.log())
        self.assertNotIn(STORE_PASSWORD, proxy.log())

    def test_sessions_are_resumed_on_all_three_legs(self):
        proxy = self.proxy()
        session, reused, version = self.handshake(proxy)
        self.assertFalse(reused)
        self.assertIn(version, ("TLSv1.2", "TLSv1.3"))
        _, reused, _ = self.handshake(proxy, session)
        self.assertTrue(reused)
        # Each client has a connection to the source. The target sends the proxy away, and it comes
        # again, until somebody has logged in.
        eventually(lambda: proxy.status()["tls"]["target"]["resumed"] > 0)
        self.client(proxy)
        tls = proxy.status()["tls"]
        for leg in ("clients", "source", "target"):
            with self.subTest(leg=leg):
                self.assertGreater(tls[leg]["resumed"], 0, tls)
                self.assertGreater(tls[leg]["handshakes"], tls[leg]["resumed"], tls)
        self.assertIn("127.0.0.1", tls["certificate"]["names"])
        self.assertGreater(tls["certificate"]["days_left"], 300)

    def test_a_certificate_of_an_unknown_authority_is_refused_and_the_flag_named(self):
        wrong = str(self.authority.folder / "wrong-ca.pem")
        proxy = self.proxy_of(self.source, self.target, "--source-tls-ca", wrong,
                              "--target-tls-ca", wrong)
        with self.assertRaises(NoHostAvailable) as caught:
            self.client(proxy)
        self.assertIn("--source-tls-ca", str(caught.exception))
        eventually(lambda: "--target-tls-ca FILE" in proxy.log())
        self.assertIn("--target-tls-verify none", proxy.log())

    def test_a_certificate_of_another_name_is_refused_and_the_right_name_can_be_told(self):
        proxy = self.proxy("--target-tls-name", "other.test")
        eventually(lambda: "not for other.test" in proxy.log())
        self.assertIn("--target-tls-verify ca", proxy.log())
        proxy.kill9()
        proxy = self.proxy("--target-tls-name", "localhost", "--source-tls-name", "localhost")
        self.client(proxy).execute("INSERT INTO ks.t (k, v) VALUES ('name', 1)")
        proxy.wait_drained()
        self.assertEqual(self.rows(self.target, "name"), 1)

    def test_without_verification_it_works_and_says_that_it_is_insecure(self):
        proxy = self.proxy_of(
            self.source, self.target, "--source-tls-verify", "none", "--target-tls-verify", "none",
            "--source-tls-cert", str(self.shown["keystore"]),
            "--source-tls-key-password", BED_PASSWORD)
        self.client(proxy).execute("INSERT INTO ks.t (k, v) VALUES ('none', 1)")
        proxy.wait_drained()
        self.assertEqual(self.rows(self.target, "none"), 1)
        self.assertEqual(proxy.log().count("INSECURE"), 2)
        self.assertNotIn(BED_PASSWORD, proxy.log())

    def test_without_a_certificate_of_our_own_the_source_refuses_and_the_flag_is_named(self):
        proxy = self.proxy_of(self.source, self.target, "--source-tls-ca", str(self.ca),
                              "--target-tls-ca", str(self.ca))
        with self.assertRaises(NoHostAvailable):
            self.client(proxy)
        eventually(lambda: "--source-tls-cert" in proxy.log())

    def test_writes_in_the_spool_wait_visibly_for_the_first_login_after_a_restart(self):
        proxy = self.proxy("--wait", "false")
        session = self.client(proxy)
        self.target.pause()
        self.addCleanup(self.target.resume)
        for i in range(20):
            session.execute(f"INSERT INTO ks.t (k, v) VALUES ('restart-{i}', {i})")
        session.cluster.shutdown()
        proxy.kill9()
        self.target.resume()
        proxy.start()
        eventually(lambda: proxy.status()["target"]["waits_for_credentials"])
        eventually(lambda: proxy.backlog() == 20)
        self.assertEqual(proxy.metrics()["dualwrite_target_waits_for_credentials"], 1)
        self.assertIn("--target-username", proxy.log())
        self.client(proxy)
        proxy.wait_drained(20)
        self.assertFalse(proxy.status()["target"]["waits_for_credentials"])
        self.assertEqual(self.rows(self.target, "restart"), 20)

    def test_a_wrong_password_is_the_clients_affair_and_is_never_used(self):
        proxy = self.proxy()
        with self.assertRaises(NoHostAvailable):
            self.client(proxy, ("cassandra", "wrong-secret"))
        self.assertEqual(proxy.status()["target"]["user"], "")
        self.assertNotIn("wrong-secret", proxy.log())

    def test_a_user_that_the_target_refuses_is_replaced_by_the_next_one(self):
        self.source.query("CREATE ROLE only_source WITH PASSWORD = 'x' AND LOGIN = true "
                          "AND SUPERUSER = true")
        proxy = self.proxy("--wait", "false")
        session = self.client(proxy, ("only_source", "x"))
        session.execute("INSERT INTO ks.t (k, v) VALUES ('next-1', 1)")
        eventually(lambda: "user 'only_source'" in proxy.log())
        eventually(lambda: proxy.backlog() == 1)
        self.client(proxy)
        proxy.wait_drained(20)
        self.assertEqual(proxy.status()["target"]["user"], LOGIN[0])
        self.assertEqual(self.rows(self.target, "next"), 1)

    def test_configured_credentials_are_used_at_the_target_whoever_the_client_is(self):
        self.target.query("CREATE ROLE replicator WITH PASSWORD = 'r' AND LOGIN = true "
                          "AND SUPERUSER = true")
        proxy = self.proxy("--target-username", "replicator", "--target-password", "r")
        eventually(lambda: proxy.status()["target_connections"] == 2)
        self.client(proxy).execute("INSERT INTO ks.t (k, v) VALUES ('own', 1)")
        proxy.wait_drained()
        self.assertEqual(proxy.status()["target"]["user"], "replicator")
        self.assertEqual(self.rows(self.target, "own"), 1)

    def test_sighup_reads_the_certificate_again_and_a_bad_one_changes_nothing(self):
        proxy = self.proxy()
        self.handshake(proxy)
        session = self.client(proxy)
        shutil.copy(self.folder / "second/keystore.jks", self.store)
        proxy.signal(signal.SIGHUP)
        eventually(lambda: "were read again" in proxy.log())
        self.handshake(proxy, which="second")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.handshake(proxy)
        session.execute("INSERT INTO ks.t (k, v) VALUES ('sighup', 1)")  # goes on undisturbed
        self.store.write_text("no key store")
        proxy.signal(signal.SIGHUP)
        eventually(lambda: "stay as they were" in proxy.log())
        self.assertIn(f"{self.store} is neither PEM nor a key store", proxy.log())
        self.handshake(proxy, which="second")

    def test_bytes_before_the_handshake_reach_nobody(self):
        proxy = self.proxy()
        before = proxy.status()["tls"]["source"]["handshakes"]
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as raw:
            raw.sendall(b"\x04\0\0\0\5\0\0\0\0")
            answer = b""
            with contextlib.suppress(ConnectionResetError):  # bytes of ours were left unread
                while more := raw.recv(1000):
                    answer += more
            self.assertNotIn(b"CQL_VERSION", answer)
        eventually(lambda: "a client: TLS handshake failed: the client does not speak TLS"
                   in proxy.log())
        self.assertEqual(proxy.status()["requests"], 0)
        self.assertLessEqual(proxy.status()["tls"]["source"]["handshakes"], before + 2)

    def test_clients_that_do_not_log_in_and_those_beyond_the_limit_are_sent_away(self):
        proxy = self.proxy("--login-limit", "2s", "--clients-per-address-max", "3")
        # The one by which the test found out that it serves has left.
        eventually(lambda: proxy.status()["clients_accepted"] > 0 == proxy.status()["clients"])
        silent = [socket.create_connection(("127.0.0.1", proxy.port), 10) for _ in range(3)]
        eventually(lambda: proxy.status()["clients"] == 3)
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as one_too_many:
            self.assertEqual(one_too_many.recv(1), b"")
        for one in silent:
            self.assertEqual(one.recv(1), b"")
            one.close()
        status = eventually(lambda: proxy.status() if proxy.status()["clients"] == 0 else None)
        self.assertEqual((status["clients_refused"], status["clients_expired"]), (1, 3))
        self.client(proxy)

    def test_a_client_without_a_certificate_is_refused_where_one_is_demanded(self):
        proxy = self.proxy("--proxy-tls-client-ca", str(self.ca))
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            with socket.create_connection(("127.0.0.1", proxy.port), 10) as raw, \
                    self.client_context().wrap_socket(raw, server_hostname="127.0.0.1") as tls:
                tls.sendall(b"\x04\0\0\0\5\0\0\0\0")
                if not tls.recv(1):
                    raise ConnectionError("closed")
        context = self.client_context()
        context.load_cert_chain(self.shown["certificate"], self.shown["key"])
        with socket.create_connection(("127.0.0.1", proxy.port), 10) as raw, \
                context.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
            tls.sendall(b"\x04\0\0\0\5\0\0\0\0")
            self.assertEqual(tls.recv(9)[4], 6)  # SUPPORTED


class OneSideOnly(TlsTest):
    """One node with TLS and logins, one without."""

    source_spec = Node("strict", auth=True, tls=True)
    target_spec = Node("open", "4.0.18")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for node in (cls.source, cls.target):
            node.query("CREATE KEYSPACE ks WITH replication = "
                       "{'class': 'SimpleStrategy', 'replication_factor': 1}")
            node.query("CREATE TABLE ks.t (k text PRIMARY KEY, v int)")

    def written(self, proxy: Proxy, login, key: str) -> None:
        self.client(proxy, login).execute(f"INSERT INTO ks.t (k, v) VALUES ('{key}', 1)")
        proxy.wait_drained(20)
        for node in (self.source, self.target):
            self.assertIn(key.encode(), [row[0] for row in node.query("SELECT k FROM ks.t")])

    def test_only_the_source_has_tls_and_logins(self):
        proxy = self.proxy_of(self.source, self.target, "--source-tls-ca", str(self.ca),
                              "--disable-target-tls", "true")
        self.written(proxy, LOGIN, "source-only")

    def test_only_the_target_has_tls_and_logins(self):
        proxy = self.proxy_of(self.target, self.source, "--target-tls-ca", str(self.ca),
                              "--disable-source-tls", "true",
                              "--target-username", LOGIN[0], "--target-password", LOGIN[1])
        self.written(proxy, None, "target-only")

    def test_tls_towards_a_plain_node_is_an_error_that_names_the_flag(self):
        proxy = self.proxy_of(self.source, self.target, "--source-tls-ca", str(self.ca))
        eventually(lambda: "--disable-target-tls true" in proxy.log())


if __name__ == "__main__":
    unittest.main()
