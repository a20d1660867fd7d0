#!/usr/bin/env python3
"""dualwrite-proxy: arguments, start-up, signals, exit codes. `test_proxy.py PROXY CLI [CASE]`"""

import signal
import unittest

import support

PLAIN = ("src", "tgt", "--proxy-port", "0")


class Arguments(support.ProgramTest):
    program = support.PROXY

    def check_usage(self, text: str, *words: str, **environment: str) -> None:
        done = self.run_program(*words, **environment)
        with self.subTest(words=words):
            self.assertEqual(done.returncode, 255, done.stderr)
            self.assertIn(text, done.stderr)
            self.assertIn("Usage: dualwrite-proxy", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_wrong_arguments_give_message_usage_and_255(self):
        self.check_usage("The argument 'source' is required")
        self.check_usage("The argument 'target' is required", "src")
        self.check_usage("The option 'debug' requires a value", "src", "tgt", "--debug")
        self.check_usage("there is no option --threds; did you mean --threads?", "--threds", "1")
        self.check_usage("--keyspace does not belong to this command", "--keyspace", "k")
        self.check_usage("unknown option '-x'", "-x")
        self.check_usage("--threads: 'x' is not a number from 1 to 256", *PLAIN, "-t", "x")
        self.check_usage("--source-port: '70000' is not", *PLAIN, "--source-port", "70000")
        self.check_usage("Both target-username and target-password need to be set", *PLAIN,
                         "--target-username", "u")
        self.check_usage("Both proxy-pem-keyfile and proxy-pem-certfile need to be set", *PLAIN,
                         "--proxy-pem-keyfile", "k")
        self.check_usage("cannot read /no/such/file", *PLAIN, "--source-tls-ca", "/no/such/file")
        self.check_usage("both 28000", "src", "tgt", "-p", "28000")
        self.check_usage("source names port 1, --source-port another one", "s:1", "t",
                         "--source-port", "2")
        self.check_usage("'a:b:' is not HOST", "a:b:", "t")
        self.check_usage("--filter-tables: the pattern is wrong", *PLAIN, "--filter-tables", "(")
        self.check_usage("--ghostIps: not a JSON object", *PLAIN, "--ghostIps", "{")
        self.check_usage("'6' is not a number from 3 to 5", *PLAIN, "--protocol-version", "6")

    def test_a_swallowed_host_is_explained(self):
        done = self.run_program("--disable-source-tls", "src", "tgt")
        self.assertEqual(done.returncode, 255)
        self.assertIn("takes true or false; 'src' counts as false", done.stderr)
        self.assertIn("The argument 'target' is required", done.stderr)

    def test_every_documented_option_is_taken_at_its_default(self):
        done = self.run_program(*PLAIN, "--proxy-jks-file", "/f", "--proxy-jks-password", "Xyzzy")
        self.assertIn("--proxy-jks-file: cannot read /f: No such file", done.stderr)
        self.assertNotIn("Xyzzy", done.stderr)
        defaults = ("--uuid", "false", "--dest-close", "off",
                    "--write-buffer-size", "65536", "--tcp-idle-time-out", "0",
                    "--only-message", "1", "--proxy-jks-password", "changeit",
                    "--source-identifier", "source node", "--target-identifier", "target node")
        running = self.start(*PLAIN, *defaults, "--state-dir", self.folder)
        running.wait_for("listening on")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.finish(), 0)

    def test_check_reports_and_starts_nothing(self):
        done = self.run_program("--check", *PLAIN, "--state-dir", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("source src:9042", done.stdout)
        self.assertTrue(done.stdout.endswith("result: it would work\n"), done.stdout)
        done = self.run_program(*PLAIN, "--check", FAKE_PROBLEM="the target is asleep",
                                FAKE_START="throw")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("problem: the target is asleep\nresult: 1 problem\n", done.stdout)
        self.check_usage("The argument 'target' is required", "--check", "src")

    def test_help_and_version_go_to_standard_output(self):
        for words in (["--help"], ["-h"], ["--help", "src", "tgt"]):
            done = self.run_program(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("--metrics-port PORT", done.stdout)
            self.assertIn("[28000]", done.stdout)
        done = self.run_program("--version")
        self.assertRegex(done.stdout, r"^dualwrite-proxy \d+\.\d+\.\d+\n$")

    def test_the_environment_counts_and_flags_win(self):
        self.check_usage("environment variable DUALWRITE_THREADS: --threads: 'x' is not", *PLAIN,
                         DUALWRITE_THREADS="x")
        running = self.start(*PLAIN, "--threads", "3", DUALWRITE_THREADS="2",
                             DUALWRITE_WAIT_LIMIT="7s", DUALWRITE_TARGET_USERNAME="u",
                             DUALWRITE_TARGET_PASSWORD="Xyzzy", DUALWRITE_STATE_DIR=self.folder,
                             DUALWRITE_KEYSPACE="of another command",
                             DUALWRITE_METRICS_PORT="tcp://10.0.0.1:28000")
        running.wait_for("listening on")
        for line in ("threads : 3", "wait-limit : 7s", "target-password : ********",
                     f"state-dir : {self.folder}", "source : src", "metrics-port : 28000"):
            self.assertIn(line, running.seen)
        self.assertNotIn("Xyzzy", running.seen)

    def test_a_file_counts_less_than_the_environment_and_that_less_than_flags(self):
        path, password = (f"{self.folder}/{name}" for name in ("c.yaml", "password"))
        with open(path, "w") as file:
            file.write("source: from-file\ntarget: from-file\nthreads: 2\nsource-port: 2\n"
                       "target-port: 2\nproxy-port: 0\ntarget-username: u\nkeyspace: k\n"
                       f"target-password-file: {password}\n")
        with open(password, "w") as file:
            file.write("Xyzzy\n")
        for words, environment in ((["--config", path], {}), ([], {"DUALWRITE_CONFIG": path}),
                                   ([f"--config={path}"], {"DUALWRITE_CONFIG": "/no/such/file"})):
            running = self.start(*words, "--threads", "4", DUALWRITE_THREADS="3",
                                 DUALWRITE_SOURCE_PORT="3", DUALWRITE_STATE_DIR=self.folder,
                                 **environment)
            running.wait_for("listening on")
            for line in ("source : from-file", "threads : 4", "source-port : 3", "target-port : 2",
                         f"target-password-file : {password}", f"config : {path}"):
                self.assertIn(line, running.seen)
            self.assertNotIn("Xyzzy", running.seen)
        self.check_usage(f"{path}:1: there is no option --surce; did you mean source?",
                         "--config", self.written(path, "surce: s"))
        self.check_usage("--config: cannot read /no/such/file", "--config", "/no/such/file")
        self.check_usage("environment variable DUALWRITE_CONFIG: --config: cannot read", *PLAIN,
                         DUALWRITE_CONFIG="/no/such/file")

    @staticmethod
    def written(path, text):
        with open(path, "w") as file:
            file.write(text)
        return path

    def test_the_state_directory_has_a_place_of_its_own(self):
        def place(**environment):
            running = self.start("s", "t", "-p4711", **environment)
            running.wait_for("listening on")
            return next(line.split(" : ")[1] for line in running.seen.splitlines()
                        if "state-dir :" in line)

        self.assertEqual(place(HOME="/h", XDG_STATE_HOME=""),
                         "/h/.local/state/dualwrite/proxy-4711")
        self.assertEqual(place(HOME="/h", XDG_STATE_HOME="/x"), "/x/dualwrite/proxy-4711")
        self.assertEqual(place(HOME="/h", STATE_DIRECTORY="/s:/t"), "/s")
        self.check_usage("give --state-dir", "s", "t", HOME="", XDG_STATE_HOME="")


class Life(support.ProgramTest):
    program = support.PROXY

    def running(self, *words: str, **environment: str) -> support.Running:
        running = self.start(*PLAIN, "--state-dir", self.folder, *words, **environment)
        running.wait_for("listening on 0.0.0.0:4711; metrics and status on http://127.0.0.1:28000")
        return running

    def test_a_signal_drains_and_the_exit_code_is_0(self):
        for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "SIGINT")):
            running = self.running(FAKE_BACKLOG="1000")
            running.signal(number)
            self.assertEqual(running.finish(), 0, running.seen)
            self.assertIn(f"{name}: draining; 1,000 writes not yet at the target; "
                          "waiting at most 30s", running.seen)
            self.assertIn("every acknowledged write is at the target", running.seen)

    def test_what_is_left_at_the_deadline_is_said_with_exit_code_1(self):
        running = self.running("--drain-limit", "50ms", FAKE_BACKLOG="1000000")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.finish(), 1)
        self.assertRegex(
            running.seen, r"stopped with [\d,]+ writes not yet at the target\. They are kept")
        self.assertIn(self.folder, running.seen.splitlines()[-1])

    def test_what_the_target_refused_is_said(self):
        running = self.running(FAKE_BACKLOG="100", FAKE_DEAD_LETTERS="1234")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.finish(), 0)
        self.assertIn(f"the target refused 1,234 writes for good; see {self.folder}/dead_letters",
                      running.seen)
        self.assertIn("every other acknowledged write is at the target", running.seen)

    def test_a_second_signal_stops_at_once(self):
        running = self.running("--drain-limit", "1h", FAKE_BACKLOG="100000000")
        running.signal(signal.SIGTERM)
        running.wait_for("draining: ")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.finish(), 1)
        self.assertIn("SIGTERM again: stopping at once", running.seen)

    def test_sighup_does_not_end_it(self):
        running = self.running()
        running.signal(signal.SIGHUP)
        running.wait_for("SIGHUP: certificates and keys were read again")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.finish(), 0)

    def test_a_failure_of_the_spool_ends_it_with_the_reason(self):
        running = self.running(FAKE_FAILURE="cannot write the spool: No space left on device")
        self.assertEqual(running.finish(), 1)
        self.assertIn("cannot write the spool: No space left on device", running.seen)

    def test_a_start_that_fails_says_why_with_exit_code_1(self):
        for asked, text in (("locked", "used by process 1; stop it or give another --state-dir"),
                            ("connect", "cannot connect"), ("throw", "a fake failure"),
                            ("memory", "out of memory"), ("system", "Address already in use")):
            done = self.run_program(*PLAIN, "--state-dir", self.folder, FAKE_START=asked)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(f"dualwrite-proxy: {text}" if asked != "locked" else text, done.stderr)

    def test_the_log_level_filters(self):
        def lines(*words):
            running = self.running(*words) if "error" not in words else \
                self.start(*PLAIN, "--state-dir", self.folder, *words)
            running.signal(signal.SIGTERM)
            running.finish()
            return running.seen

        self.assertIn("fake proxy started", lines())
        self.assertNotIn("debug line", lines())
        self.assertIn("debug line", lines("--debug", "true"))
        self.assertIn("debug line", lines("--log-level", "DEBUG"))

    def test_a_higher_log_level_leaves_out_the_rest(self):
        running = self.start(*PLAIN, "--state-dir", self.folder, "--log-level", "warning")
        running.wait_for("warning line")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.finish(), 0)
        self.assertNotIn("started", running.seen)


if __name__ == "__main__":
    support.main()
