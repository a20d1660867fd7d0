#!/usr/bin/env python3
"""dualwrite copy and validate: arguments, progress, exit codes. `test_jobs.py PROXY CLI [CASE]`"""

import json
import os
import pty
import signal
import subprocess

import support

PLAIN = ("src:1", "tgt:2", "--keyspace", "ks")


class Jobs(support.ProgramTest):
    program = support.CLI

    def job(self, verb: str, *words: str, **environment: str) -> subprocess.CompletedProcess:
        return self.run_program(verb, *PLAIN, "--state-dir", self.folder, *words, **environment)

    def check_usage(self, text: str, *words: str) -> None:
        done = self.run_program(*words)
        with self.subTest(words=words):
            self.assertEqual(done.returncode, 255, done.stderr)
            self.assertIn(text, done.stderr)
            self.assertIn("Usage: dualwrite", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_wrong_arguments_give_message_usage_and_255(self):
        self.check_usage("subcommand is required")
        self.check_usage("frobnicate", "frobnicate")
        self.check_usage("--keyspace is required", "copy", "s", "t")
        self.check_usage("The argument 'target' is required", "copy", "s", "--keyspace", "k")
        self.check_usage("third", "copy", "s", "t", "third", "--keyspace", "k")
        self.check_usage("--frob", "copy", *PLAIN, "--frob", "1")
        self.check_usage("--rate: 'fast' is not a number", "copy", *PLAIN, "--rate", "fast")
        self.check_usage("--recheck-delay: '2' is not a time from 0 to 86400000 ms with its unit",
                         "validate", *PLAIN, "--recheck-delay", "2")
        self.check_usage("--read-consistency: 'X' is not one of ONE|TWO", "copy", *PLAIN,
                         "--read-consistency", "X")
        self.check_usage("--recheck-delay", "copy", *PLAIN, "--recheck-delay", "2s")

    def test_exit_codes_say_how_it_ended(self):
        for verb in ("copy", "validate"):
            for result, code, text in (("succeeded", 0, "result: "), ("different", 1, "different"),
                                       ("failed", 2, "not complete")):
                done = self.job(verb, FAKE_RESULT=result, FAKE_ROWS="2000")
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(text, done.stdout)
                self.assertIn("2,000 rows", done.stdout)
            self.assertIn("not complete: range (0, 10] of ks.t: no answer", done.stdout)
        self.assertIn("2 missing at the target",
                      self.job("validate", FAKE_RESULT="different").stdout)

    def test_a_start_that_fails_ends_with_2(self):
        done = self.job("copy", FAKE_START="connect")
        self.assertEqual(done.returncode, 2)
        self.assertIn("dualwrite: cannot connect", done.stderr)

    def test_json_prints_the_report_and_nothing_else(self):
        done = self.job("validate", "--json", FAKE_ROWS="3000")
        self.assertEqual(json.loads(done.stdout), {"rows": 3000})

    def test_options_stand_anywhere_in_any_form(self):
        for words in (("--table", "a", "--table", "b"), ("--table=a,b",), ("--restart",),
                      ("--restart", "true"), ("--restart=false",),
                      ("--disable-source-tls", "true", "--disable-target-tls", "false")):
            done = self.run_program("copy", *words, *PLAIN, "--state-dir", self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_file_serves_both_commands(self):
        path = f"{self.folder}/c.yaml"
        with open(path, "w") as file:
            file.write(f"source: s\ntarget: t\nkeyspace: k\nrate: 5\nthreads: 2\n"
                       f"state-dir: {self.folder}\n")
        for verb in ("copy", "validate"):
            done = self.run_program(verb, "--config", path)
            self.assertEqual(done.returncode, 0, done.stderr)
        with open(path, "a") as file:
            file.write("ranges: many\n")
        self.check_usage(f"{path}:7: --ranges: 'many' is not a number", "copy", "--config", path)

    def test_check_reports_and_starts_nothing(self):
        for verb in ("copy", "validate"):
            done = self.job(verb, "--check", FAKE_START="throw")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("target tgt:2", done.stdout)
            done = self.job(verb, "--check", "--json", FAKE_PROBLEM="asleep")
            self.assertEqual((done.returncode, done.stderr), (2, ""))
            self.assertEqual(json.loads(done.stdout)["problems"], ["asleep"])

    def test_check_is_a_command_with_an_exit_code_of_its_own(self):
        done = self.run_program("check", "src:1", "tgt:2", "--probe", "false", FAKE_START="throw")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("result: it would work", done.stdout)
        done = self.run_program("check", "src:1", "tgt:2", "--json", FAKE_PROBLEM="asleep")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertEqual(json.loads(done.stdout)["problems"], ["asleep"])
        done = self.run_program("check", "src:1", "tgt:2", "--cql", FAKE_PROBLEM="asleep")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.check_usage("--table needs --keyspace", "check", "s", "t", "--table", "x")
        self.check_usage("--rate", "check", "s", "t", "--rate", "5")

    def test_runs_lists_what_ran(self):
        done = self.run_program("runs", "--state-dir", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("copy shop", done.stdout)
        self.assertIn("result: 1 run\n", done.stdout)
        done = self.run_program("runs", "--json", FAKE_RESULT="failed", HOME=str(self.folder))
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        report = json.loads(done.stdout)
        self.assertEqual(report["unfinished"], 1)
        self.assertEqual(report["runs"][0]["state_dir"], f"{self.folder}/.local/state/dualwrite")
        self.check_usage("src", "runs", "src")

    def test_sighup_reads_the_pace_from_the_file_again(self):
        path = f"{self.folder}/c.yaml"

        def write(rate: str) -> None:
            with open(path, "w") as file:
                file.write(f"source: s\ntarget: t\nkeyspace: k\nrate: {rate}\n"
                           f"state-dir: {self.folder}\n")

        write("5")
        running = self.start("copy", "--config", path, FAKE_ROWS="100000000")
        running.wait_for("fake job started")
        write("7")
        running.signal(signal.SIGHUP)
        running.wait_for("fake pace: 7")
        write("fast")
        running.signal(signal.SIGHUP)
        running.wait_for("the pace stays as it was: ")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.finish(), 143, running.seen)
        # Without a file the terminal is gone.
        running = self.start("copy", *PLAIN, "--state-dir", self.folder, FAKE_ROWS="100000000")
        running.wait_for("fake job started")
        running.signal(signal.SIGHUP)
        self.assertEqual(running.finish(), 129, running.seen)

    def test_help_and_version(self):
        done = self.run_program("copy", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--rate ROWS", done.stdout)
        self.assertNotIn("--proxy-port", done.stdout)
        done = self.run_program("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for text in ("Usage: dualwrite COMMAND", "  check  ", "  copy  ", "  validate  ",
                     "  spool inspect  ", "--version"):
            self.assertIn(text, done.stdout)
        self.assertRegex(self.run_program("--version").stdout, r"^dualwrite \d+\.\d+\.\d+\n$")

    def test_signals_cancel_and_show_in_the_exit_code(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            running = self.start("copy", *PLAIN, "--state-dir", self.folder, FAKE_ROWS="100000000")
            running.wait_for("fake job started")
            running.wait_for("rows/s")
            running.signal(number)
            self.assertEqual(running.finish(), code, running.seen)
            self.assertIn("cancelled; the same command continues", running.out)

    def test_a_terminal_gets_one_line_that_is_rewritten(self):
        main, side = pty.openpty()
        self.addCleanup(os.close, main)
        done = subprocess.run(
            [self.program, "copy", *PLAIN, "--state-dir", self.folder], stdout=subprocess.PIPE,
            stderr=side, timeout=support.LIMIT_S,
            env=support.clean_environment(FAKE_ROWS="60000", TERM="xterm"))
        os.close(side)
        self.assertEqual(done.returncode, 0)
        shown = os.read(main, 1 << 16).decode()
        self.assertGreaterEqual(shown.count("\r\033[K"), 2)
        self.assertIn("ETA 0:0", shown)
        self.assertIn("rows/s", shown)


if __name__ == "__main__":
    support.main()
