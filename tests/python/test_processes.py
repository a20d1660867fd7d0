"""Coroutines, fork(), sub-interpreters and Ctrl-C: `python tests/python/test_processes.py -v`, with
the module installed. No cluster is needed."""

import asyncio
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import dualwrite

NOWHERE = {"disable_source_tls": True, "disable_target_tls": True, "log": lambda level, text: None}
ADDRESSES = ("127.0.0.1:1", "127.0.0.1:1")
LIMIT_S = 20


class WithFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="dualwrite-python-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def proxy(self):
        made = dualwrite.Proxy(*ADDRESSES, **NOWHERE, proxy_host="127.0.0.1", proxy_port=0,
                               metrics_port=0, state_dir=self.folder)
        self.addCleanup(made.close)
        return made


class Coroutines(WithFolder):
    def test_a_proxy_is_an_async_context_manager_and_other_tasks_run_meanwhile(self):
        async def main():
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            ticking = asyncio.ensure_future(tick())
            async with self.proxy() as proxy:
                self.assertGreater(proxy.port, 0)
                self.assertFalse(await proxy.wait_async(0.5))
                self.assertGreater(ticks, 5)
            with self.assertRaises(dualwrite.InvalidArgumentError):
                proxy.progress()
            ticking.cancel()

        asyncio.run(asyncio.wait_for(main(), LIMIT_S))

    def test_stopping_and_jobs_can_be_awaited(self):
        async def main():
            proxy = self.proxy().start()
            self.assertTrue(await proxy.stop_async())
            self.assertTrue(await proxy.wait_async())
            job = dualwrite.copy(*ADDRESSES, "ks", **NOWHERE, state_dir=self.folder / "job",
                                 retry_limit="1h")
            async with job:
                with self.assertRaises(dualwrite.TimedOutError):
                    await job.result_async(0.05)
                job.cancel()
                with self.assertRaises(dualwrite.CancelledError):
                    await job.result_async()

        asyncio.run(asyncio.wait_for(main(), LIMIT_S))

    def test_a_task_that_is_cancelled_leaves_no_thread_that_waits(self):
        async def main():
            async with self.proxy() as proxy:
                waiting = asyncio.ensure_future(proxy.wait_async())
                await asyncio.sleep(0.05)
                waiting.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await waiting

        began = time.monotonic()
        asyncio.run(main())  # waits for the threads of its executor
        self.assertLess(time.monotonic() - began, LIMIT_S)

    def test_an_exception_in_the_block_ends_the_proxy(self):
        async def main():
            async with self.proxy() as proxy:
                ports.append(proxy.port)
                raise LookupError("of the block")

        ports = []
        with self.assertRaises(LookupError):
            asyncio.run(main())
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", ports[0]), 5)


class Processes(WithFolder):
    @unittest.skipUnless(hasattr(os, "fork"), "no fork")
    def test_a_child_after_fork_is_told_and_ends_while_the_parent_serves(self):
        code = """
import os, sys, dualwrite
proxy = dualwrite.Proxy("127.0.0.1:1", "127.0.0.1:1", disable_source_tls=True, metrics_port=0,
                        disable_target_tls=True, proxy_host="127.0.0.1", proxy_port=0,
                        state_dir=sys.argv[1], log=lambda level, text: None).start()
child = os.fork()
if child == 0:
    try:
        proxy.progress()
    except dualwrite.InvalidArgumentError as error:
        print(error, flush=True)
    print(dualwrite.classify("SELECT a FROM b").table, flush=True)
    sys.exit(7)  # with all that Python does at its end
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), proxy.progress().state, flush=True)
proxy.close()
"""
        done = subprocess.run([sys.executable, "-c", code, str(self.folder)], capture_output=True,
                              text=True, timeout=LIMIT_S)
        self.assertEqual(done.stdout, "the proxy belongs to the process that was forked\nb\n"
                                      "7 running\n", done.stderr)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_sub_interpreter_is_refused_with_a_sentence(self):
        try:
            import _xxsubinterpreters as interpreters
        except ImportError:
            self.skipTest("this Python has no module for them")
        one = interpreters.create()
        self.addCleanup(interpreters.destroy, one)
        with self.assertRaises(interpreters.RunFailedError) as caught:
            interpreters.run_string(one, f"import sys; sys.path[:0] = {sys.path!r}\n"
                                         "import dualwrite")
        self.assertRegex(str(caught.exception), "(?i)sub-?interpreter")
        self.assertEqual(dualwrite.classify("SELECT a FROM b").table, "b")

    def test_ctrl_c_ends_a_check_of_clusters_that_do_not_answer_within_a_second(self):
        silent = socket.create_server(("127.0.0.1", 0))  # takes connections and says nothing
        self.addCleanup(silent.close)
        code = ("import signal, sys, time, dualwrite\n"
                "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
                "print('up', flush=True)\n"
                "try:\n    dualwrite.check(sys.argv[1], sys.argv[1], disable_source_tls=True,\n"
                "                    disable_target_tls=True, state_dir=sys.argv[2])\n"
                "except KeyboardInterrupt:\n    print('interrupted', flush=True)\n")
        process = subprocess.Popen(
            [sys.executable, "-c", code, f"127.0.0.1:{silent.getsockname()[1]}", str(self.folder)],
            stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "up\n")
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), "interrupted\n")
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual(process.wait(LIMIT_S), 0)


if __name__ == "__main__":
    unittest.main()
