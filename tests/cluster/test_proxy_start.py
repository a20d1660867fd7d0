"""What the proxy refuses to start with, and what it says then.
DUALWRITE_BUILD=build python3 tests/cluster/test_proxy_start.py -v"""

import socket
import tempfile
import unittest
from pathlib import Path

from support import program, run
from support_proxy import Proxy, free_port

USAGE = 255  # as the Java tool


class Nowhere:
    """A cluster that is not there."""

    def __init__(self):
        self.address, self.port = "127.0.0.1", free_port()


class Start(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="dualwrite-start-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def proxy(self, name: str = "proxy", state: Path | None = None) -> Proxy:
        made = Proxy(Nowhere(), Nowhere(), self.folder / name, state=state)
        self.addCleanup(made.kill9)
        return made

    def refused(self, proxy: Proxy) -> str:
        """What a proxy says that must not start."""
        code = proxy.launch().wait(20)
        self.assertGreater(code, 0, "0, or a signal")
        return proxy.log()

    def test_a_second_proxy_on_the_same_state_directory_is_refused(self):
        first = self.proxy().start()
        second = self.proxy("second", first.state)
        text = self.refused(second)
        self.assertIn(str(first.state), text)
        self.assertRegex(text, "(?i)another|in use|locked")
        self.assertTrue(first.running())
        first.kill9()
        second.start()

    def test_a_state_directory_that_cannot_be_made_is_refused_with_its_path(self):
        file = self.folder / "file"
        file.write_text("no folder")
        text = self.refused(self.proxy(state=file / "state"))
        self.assertIn(str(file), text)
        self.assertRegex(text, "(?i)not a directory")

    def test_a_state_directory_that_is_read_only_is_refused_with_its_path(self):
        """Also for root, whom permissions do not stop: /proc takes no folders."""
        text = self.refused(self.proxy(state=Path("/proc/dualwrite-state")))
        self.assertIn("/proc/dualwrite-state", text)

    def test_a_port_in_use_is_named(self):
        proxy = self.proxy()
        with socket.create_server(("0.0.0.0", proxy.port)):
            text = self.refused(proxy)
        self.assertIn(str(proxy.port), text)
        self.assertRegex(text, "(?i)in use")

    def test_missing_and_wrong_arguments_end_with_a_message_the_usage_and_255(self):
        for arguments, expected in (
            ([], "source"),
            (["127.0.0.1"], "target"),
            (["127.0.0.1", "127.0.0.2", "--source-port", "many"], "source-port"),
            (["127.0.0.1", "127.0.0.2", "--source-port"], "source-port"),
            (["127.0.0.1", "127.0.0.2", "--no-such-flag", "1"], "no-such-flag"),
        ):
            with self.subTest(arguments=arguments):
                done = run([program("dualwrite-proxy"), *arguments], 20)
                self.assertEqual(done.returncode, USAGE, done.stderr)
                self.assertIn(expected, done.stderr + done.stdout)
                self.assertRegex(done.stderr + done.stdout, "(?i)usage")

    def test_without_any_cluster_it_runs_says_so_and_stops(self):
        proxy = self.proxy().start()
        self.assertRegex(proxy.log(), r"(?i)source.*127\.0\.0\.1")
        self.assertEqual(proxy.stop(), 0, proxy.log_tail())


if __name__ == "__main__":
    unittest.main()
