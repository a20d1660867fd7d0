"""The Python module, installed: `python tests/python/test_module.py -v`. No cluster is needed."""

import datetime
import doctest
import gc
import logging
import os
import pathlib
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

import dualwrite

# Nobody listens on port 1.
NOWHERE = {"disable_source_tls": True, "disable_target_tls": True}
PROXY = {**NOWHERE, "proxy_host": "127.0.0.1", "proxy_port": 0, "metrics_port": 0}
ADDRESSES = ("127.0.0.1:1", "127.0.0.1:1")


class WithFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="dualwrite-python-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.lines = []

    def log(self, level, text):
        self.lines.append((level, text))

    def proxy(self, **options):
        options = {**PROXY, "state_dir": self.folder, "log": self.log, **options}
        made = dualwrite.Proxy(*ADDRESSES, **options)
        self.addCleanup(made.close)
        return made


class Options(WithFolder):
    def test_keys_are_those_of_the_programs(self):
        names = {key.name for key in dualwrite.keys()}
        self.assertLessEqual({"source-port", "proxy-port", "state-dir", "ghostIps"}, names)
        self.assertNotIn("keyspace", names)
        self.assertIn("keyspace", {key.name for key in dualwrite.keys("copy")})
        port = next(key for key in dualwrite.keys() if key.name == "metrics-port")
        self.assertEqual((port.type, port.default), ("number", "28000"))
        self.assertEqual({key.name for key in dualwrite.keys() if key.secret},
                         {"source-password", "target-password", "proxy-jks-password",
                          "proxy-pem-password", "source-tls-key-password",
                          "target-tls-key-password"})
        with self.assertRaises(ValueError):
            dualwrite.keys("frobnicate")

    def test_check_says_what_stands_in_the_way(self):
        report = dualwrite.check("127.0.0.1:1", "127.0.0.1:1", probe=False, tables="a",
                                 keyspace="k", disable_source_tls=True, disable_target_tls=True,
                                 state_dir=self.folder)
        self.assertEqual(len(report["problems"]), 2)
        self.assertIn("the source: ", report["problems"][0])
        self.assertNotIn("keyspace", {k.name for k in dualwrite.keys("check") if k.required})

    def test_values_of_every_type_are_taken(self):
        self.proxy(wait=False, threads=2, wait_limit="5s", spool_size_max="1GiB",
                   drain_limit=datetime.timedelta(seconds=1.5), log_level="warning",
                   source_port=None)
        with dualwrite.copy("h", "h", "k", tables=("a", "b"), **NOWHERE,
                            state_dir=str(self.folder), retry_limit="100ms", log=self.log) as job:
            job.cancel()

    def test_what_does_not_fit_is_said(self):
        for options, kind, text in (
            ({"threds": 1}, dualwrite.ConfigError, "did you mean --threads?"),
            ({"threads": "many"}, dualwrite.ConfigError, "is not a number"),
            ({"threads": -1}, dualwrite.ConfigError, "is not a number"),
            ({"wait_limit": 5}, dualwrite.ConfigError, "with its unit"),
            ({"keyspace": "k"}, dualwrite.ConfigError, "does not belong to this command"),
            ({"target_username": "u"}, dualwrite.ConfigError, "target-password is missing"),
            ({"state_dir": "a\0b"}, dualwrite.ConfigError, "NUL"),
            ({"threads": 1.5}, TypeError, "float"),
            ({"threads": object()}, TypeError, "object"),
            ({"state_dir": b"/tmp"}, TypeError, "bytes"),
        ):
            with self.subTest(options=options), self.assertRaises(kind) as caught:
                self.proxy(**options)
            self.assertIn(text, str(caught.exception))
        with self.assertRaises(TypeError):
            dualwrite.Proxy("s")
        with self.assertRaises(dualwrite.ConfigError) as caught:
            dualwrite.copy("s", "t", "")
        self.assertIn("--keyspace is required", str(caught.exception))
        self.assertEqual((caught.exception.code, caught.exception.code_name), (-2, "DW_E_CONFIG"))
        self.assertIsInstance(caught.exception, (dualwrite.Error, ValueError))

    def test_the_environment_counts_where_it_is_asked_for(self):
        os.environ["DUALWRITE_THREADS"] = "many"
        self.addCleanup(os.environ.pop, "DUALWRITE_THREADS")
        self.proxy()
        with self.assertRaises(dualwrite.ConfigError) as caught:
            self.proxy(use_environment=True)
        self.assertIn("DUALWRITE_THREADS", str(caught.exception))


class Proxies(WithFolder):
    def test_it_serves_tells_and_stops(self):
        proxy = self.proxy()
        with self.assertRaises(dualwrite.InvalidArgumentError):
            proxy.progress()
        with proxy:
            self.assertGreater(proxy.port, 0)
            progress = proxy.progress()
            self.assertEqual((progress.state, progress.ready, progress.clients), ("running",
                                                                                 False, 0))
            self.assertEqual(proxy.status()["state"], "running")
            self.assertIn("dualwrite_writes_total", proxy.metrics())
            url = f"http://127.0.0.1:{proxy.metrics_port}/metrics"
            with urllib.request.urlopen(url, timeout=10) as answer:
                self.assertIn(b"dualwrite_writes_total", answer.read())
            self.assertFalse(proxy.wait(0.01))
            began = time.monotonic()
            self.assertTrue(proxy.stop())
            self.assertLess(time.monotonic() - began, 10)
            self.assertEqual(proxy.progress().state, "stopped")
            self.assertTrue(proxy.wait())
        with self.assertRaises(dualwrite.InvalidArgumentError) as caught:
            proxy.progress()
        self.assertIn("closed", str(caught.exception))
        proxy.close()
        self.assertTrue(self.lines)
        for level, text in self.lines:
            self.assertIn(level, (1, 2, 3))
            self.assertIsInstance(text, str)

    def test_the_second_on_one_state_directory_is_refused(self):
        self.proxy().start()
        with self.assertRaises(dualwrite.LockedError) as caught:
            self.proxy().start()
        self.assertIn(str(self.folder), str(caught.exception))

    def test_without_a_log_lines_go_to_the_module_logging(self):
        with self.assertLogs("dualwrite", logging.DEBUG) as seen:
            with self.proxy(log=None, log_level="debug"):
                pass
        self.assertTrue(seen.records)

    def test_a_log_callback_that_raises_harms_nothing(self):
        def log(_level, _text):
            raise RuntimeError("a callback fails")

        shown = []
        self.addCleanup(setattr, sys, "unraisablehook", sys.unraisablehook)
        sys.unraisablehook = lambda args: shown.append(str(args.exc_value))
        with self.proxy(log=log) as proxy:
            self.assertEqual(proxy.progress().state, "running")
        self.assertIn("a callback fails", shown)

    def test_waiting_lets_other_threads_run_and_close_ends_it(self):
        proxy = self.proxy().start()
        ended = []
        waiter = threading.Thread(target=lambda: ended.append(proxy.wait()))
        waiter.start()
        began = time.monotonic()
        self.assertFalse(proxy.wait(0.05))
        proxy.close()
        waiter.join(10)
        self.assertFalse(waiter.is_alive())
        self.assertLess(time.monotonic() - began, 10)

    def test_dropping_it_stops_it(self):
        proxy = dualwrite.Proxy(*ADDRESSES, **PROXY, state_dir=self.folder, log=self.log).start()
        port = proxy.port
        socket.create_connection(("127.0.0.1", port), 5).close()
        del proxy
        gc.collect()
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", port), 5)

    def test_bad_timeouts_are_errors(self):
        proxy = self.proxy().start()
        for bad in (-1, float("nan")):
            with self.assertRaises(ValueError):
                proxy.wait(bad)
        with self.assertRaises(TypeError):
            proxy.wait("1")


class RefusingServer:
    """Answers each first request by ERROR: bad credentials."""

    def __init__(self, delay_s=0):
        self.delay_s = delay_s
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                header = client.recv(9)
                time.sleep(self.delay_s)
                body = (0x0100).to_bytes(4, "big") + (4).to_bytes(2, "big") + b"nope"
                client.sendall(bytes((header[0] | 0x80, 0)) + header[2:4] + b"\0" +
                               len(body).to_bytes(4, "big") + body)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Jobs(WithFolder):
    def job(self, start=dualwrite.copy, addresses=ADDRESSES, **options):
        job = start(*addresses, "ks", **NOWHERE, state_dir=self.folder, log=self.log, **options)
        self.addCleanup(job.close)
        return job

    def test_what_makes_it_fail_is_raised(self):
        server = RefusingServer()
        self.addCleanup(server.close)
        job = self.job(addresses=(server.address, server.address))
        with self.assertRaises(dualwrite.JobFailedError) as caught:
            job.result(60)
        self.assertIn(server.address, str(caught.exception))
        self.assertEqual(job.error(), str(caught.exception))
        self.assertEqual(job.report()["state"], "failed")
        progress = job.progress()
        self.assertEqual((progress.state, progress.rows), ("failed", 0))

    def test_it_can_be_cancelled(self):
        job = self.job(retry_limit="1h")
        self.assertFalse(job.wait(0.05))
        with self.assertRaises(dualwrite.TimedOutError):
            job.result(0.01)
        job.cancel()
        self.assertTrue(job.wait(10))
        with self.assertRaises(dualwrite.CancelledError):
            job.result()
        self.assertEqual(job.progress().state, "cancelled")

    def test_await_gives_what_result_gives_and_lets_others_run(self):
        server = RefusingServer(delay_s=0.1)
        self.addCleanup(server.close)
        turns = []

        async def main():
            import asyncio

            async def other():
                while True:
                    turns.append(1)
                    await asyncio.sleep(0.005)

            beside = asyncio.create_task(other())
            try:
                await self.job(addresses=(server.address, server.address))
            finally:
                beside.cancel()

        import asyncio
        with self.assertRaises(dualwrite.JobFailedError):
            asyncio.run(main())
        self.assertGreater(len(turns), 1)

    def test_a_task_that_is_cancelled_while_it_waits_leaves_the_job_alone(self):
        import asyncio

        async def main():
            job = self.job(retry_limit="1h")
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(job, 0.05)
            return job

        job = asyncio.run(main())
        self.assertEqual(job.progress().state, "running")

    def test_notebooks_see_how_far_it_is(self):
        job = self.job(dualwrite.validate)
        self.assertTrue(repr(job).startswith("<dualwrite validate: "))
        page = job._repr_html_()
        self.assertIn("<b>dualwrite validate</b>", page)
        self.assertIn("missing at the target", page)
        job.cancel()
        job.wait(10)
        self.assertIn("cancelled", job._repr_html_())
        job.close()
        self.assertEqual(repr(job), "<dualwrite validate: closed>")
        self.assertIsNone(job._repr_html_())

    def test_what_a_server_says_is_no_markup(self):
        from dualwrite._display import job_html
        progress = dualwrite.JobProgress("failed", "<b>", *[1] * 17, 0)
        page = job_html(progress, "copy", "<script>alert(1)</script>")
        self.assertNotIn("<script>", page)
        self.assertIn("&lt;script&gt;", page)

    def test_differences_are_those_of_the_report_file(self):
        from dualwrite import _differences
        file = self.folder / "found.jsonl"
        file.write_text('{"kind": "extra"}\n{"kind": "ttl"}\n')
        self.assertEqual(_differences.read_differences({"report_file": str(file)}),
                         [{"kind": "extra"}, {"kind": "ttl"}])
        with self.assertRaises(dualwrite.InvalidArgumentError):
            self.job().differences()

    def test_validation_runs_too(self):
        with self.job(dualwrite.validate) as job:
            self.assertIn(job.progress().state, ("running", "failed"))
        with self.assertRaises(dualwrite.InvalidArgumentError):
            job.progress()


SCRIPT = """
import signal, sys, time
import dualwrite
# A shell's job in the background ignores it, and so would its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
proxy = dualwrite.Proxy("127.0.0.1:1", "127.0.0.1:1", disable_source_tls=True,
                        disable_target_tls=True, proxy_host="127.0.0.1", proxy_port=0,
                        metrics_port=0, state_dir=sys.argv[1], log=lambda level, text: None)
"""


class Processes(WithFolder):
    def script(self, text):
        process = subprocess.Popen([sys.executable, "-c", SCRIPT + text, str(self.folder)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_ctrl_c_ends_a_wait_within_a_second(self):
        process = self.script("proxy.start(); print('up', flush=True)\n"
                              "try:\n    proxy.wait()\n"
                              "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n"
                              "proxy.close()\n")
        self.assertEqual(process.stdout.readline(), "up\n")
        time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), "interrupted\n")
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual(process.wait(20), 0)

    def test_the_interpreter_may_end_while_a_proxy_runs(self):
        for text in ("proxy.start()", "proxy.start(); keep = [proxy]; keep.append(keep)",
                     "proxy.start(); import sys; sys.proxy = proxy"):
            process = self.script(text)
            _, errors = process.communicate(timeout=30)
            self.assertEqual((process.returncode, errors), (0, ""), text)

    def test_import_is_quick_and_light(self):
        heavy = ("asyncio", "dataclasses", "inspect", "json", "logging", "subprocess", "typing")
        code = ("import sys, time; before = set(sys.modules); t = time.process_time()\n"
                "import dualwrite\n"
                "print(time.process_time() - t, *(set(sys.modules) - before))")
        best = 1.0
        for _ in range(5):
            out = subprocess.run([sys.executable, "-S", "-c",
                                  f"import sys; sys.path[:0] = {sys.path!r}\n" + code],
                                 check=True, capture_output=True, text=True).stdout.split()
            self.assertFalse(set(out[1:]) & set(heavy))
            best = min(best, float(out[0]))
        self.assertLess(best, 0.03)


class Parsing(unittest.TestCase):
    def test_classify(self):
        s = dualwrite.classify('INSERT INTO Ks."T" (a) VALUES (?) USING TTL 60 AND TIMESTAMP ?')
        self.assertEqual((s.kind, s.keyspace, s.table, s.is_write), ("insert", "ks", "T", True))
        self.assertEqual((s.ttl_s, s.ttl_marker, s.timestamp_us, s.timestamp_marker),
                         (60, None, None, 1))
        self.assertEqual((s.using_ttl, s.using_timestamp, s.conditional, s.named_markers),
                         (True, True, False, False))
        self.assertEqual((s.marker_count, s.batch_type, s.children), (2, None, ()))

        batch = dualwrite.classify("BEGIN COUNTER BATCH UPDATE t SET c = c + ? WHERE k = ? "
                                   "UPDATE u SET c = c - 1 WHERE k = ? APPLY BATCH")
        self.assertEqual((batch.kind, batch.batch_type, batch.marker_count), ("batch", "counter",
                                                                             3))
        self.assertEqual([child.table for child in batch.children], ["t", "u"])
        self.assertEqual([child.marker_first for child in batch.children], [0, 2])
        self.assertTrue(all(child.delta for child in batch.children))

        self.assertEqual(dualwrite.classify("SELECT * FROM t").kind, "select")
        self.assertEqual(dualwrite.classify("").kind, "unknown")
        self.assertEqual(dualwrite.classify("DELETE FROM tä WHERE").unparsed, True)
        self.assertTrue(dualwrite.classify("UPDATE t SET a=now() WHERE k=1 IF a=2").conditional)
        with self.assertRaises(TypeError):
            dualwrite.classify(b"SELECT")

    def test_parse_envelope(self):
        wire = bytes((4, 0x08, 0, 9, 7, 0, 0, 0, 3)) + b"abc" + b"next"
        for size in range(12):
            self.assertIsNone(dualwrite.parse_envelope(wire[:size]))
        for data in (wire, bytearray(wire), memoryview(wire)):
            self.assertEqual(dualwrite.parse_envelope(data),
                             dualwrite.Envelope(4, False, 8, 9, 7, b"abc", 12))
        self.assertTrue(dualwrite.parse_envelope(b"\x85\0\xff\xff\x0c\0\0\0\0").response)
        self.assertEqual(dualwrite.parse_envelope(b"\x85\0\xff\xff\x0c\0\0\0\0").stream_id, -1)
        for bad in (b"\x02\0\0\0\x07\0\0\0\0", b"\x04\0\0\0\x07\xff\0\0\0"):
            with self.assertRaises(dualwrite.ProtocolError):
                dualwrite.parse_envelope(bad)
        with self.assertRaises(dualwrite.ProtocolError):
            dualwrite.parse_envelope(wire, 2)
        with self.assertRaises(TypeError):
            dualwrite.parse_envelope("text")

    def test_parse_segment(self):
        wire = segment(bytes((5, 0, 0, 0, 5, 0, 0, 0, 0)))
        for size in range(len(wire)):
            self.assertIsNone(dualwrite.parse_segment(wire[:size]))
        parsed = dualwrite.parse_segment(wire + b"x")
        self.assertEqual(parsed, dualwrite.Segment(wire[6:-4], True, False, len(wire)))
        self.assertEqual(dualwrite.parse_envelope(parsed.payload).opcode, 5)
        for at in range(len(wire)):
            damaged = bytearray(wire)
            damaged[at] ^= 1
            with self.assertRaises(dualwrite.ProtocolError):
                dualwrite.parse_segment(damaged)


def segment(payload):
    """A self-contained segment, written from native_protocol_v5.spec 2.2."""
    import zlib

    def crc24(data):
        crc = 0x875060
        for byte in data:
            crc ^= byte << 16
            for _ in range(8):
                crc <<= 1
                if crc & 0x1000000:
                    crc ^= 0x1974F0B
        return crc

    header = (len(payload) | 1 << 17).to_bytes(3, "little")
    crc32 = zlib.crc32(payload, zlib.crc32(b"\xfa\x2d\x55\xca"))
    return header + crc24(header).to_bytes(3, "little") + payload + crc32.to_bytes(4, "little")


class Package(unittest.TestCase):
    def test_the_examples_of_its_document_hold(self):
        document = pathlib.Path(__file__).parents[2] / "docs/python.md"
        failed, tried = doctest.testfile(str(document), module_relative=False)
        self.assertEqual(failed, 0)
        self.assertGreaterEqual(tried, 5)

    def test_exceptions_belong_to_the_package(self):
        for name in dualwrite.__all__:
            self.assertEqual(getattr(dualwrite, name).__module__, "dualwrite", name)
        error = pickle.loads(pickle.dumps(dualwrite.LockedError("text", -13)))
        self.assertEqual((type(error), str(error)), (dualwrite.LockedError, "text"))

    def test_it_is_typed(self):
        folder = pathlib.Path(dualwrite.__file__).parent
        self.assertTrue((folder / "py.typed").exists())
        stubs = (folder / "__init__.pyi").read_text()
        for name in dualwrite.__all__:
            self.assertIn(f"    {name} as {name},\n", stubs)
        for module in folder.glob("*.py"):
            self.assertTrue(module.with_suffix(".pyi").exists(), module)

    def test_the_version_is_the_library_s(self):
        self.assertRegex(dualwrite.__version__, r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    unittest.main()
