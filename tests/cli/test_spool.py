#!/usr/bin/env python3
"""dualwrite spool: arguments, output, exit codes. `test_spool.py PROXY CLI [CASE]`"""

import json
import signal

import support


class Spool(support.ProgramTest):
    program = support.CLI

    def check_usage(self, text: str, *words: str) -> None:
        done = self.run_program(*words)
        with self.subTest(words=words):
            self.assertEqual(done.returncode, 255, done.stderr)
            self.assertIn(text, done.stderr)
            self.assertIn("Usage: dualwrite", done.stderr)
            self.assertEqual(done.stdout, "")

    def test_wrong_arguments_give_message_usage_and_255(self):
        self.check_usage("subcommand is required", "spool")
        self.check_usage("STATE_DIR is required", "spool", "inspect")
        self.check_usage("subcommand is required", "spool", "frob")
        self.check_usage("1 required but received 2", "spool", "inspect", "dir", "more")
        self.check_usage("--frob", "spool", "inspect", "dir", "--frob")
        self.check_usage("2 required", "spool", "salvage", "dir")
        self.check_usage("--source is required", "spool", "replay", self.folder, "target")
        self.check_usage("'target' is required", "spool", "replay", self.folder, "--source", "s")
        self.check_usage("Usage: dualwrite spool replay STATE_DIR TARGET", "spool", "replay")
        self.check_usage("--wait", "spool", "replay", self.folder, "t", "--source", "s", "--wait")

    def test_inspect_prints_a_table_or_json_and_says_in_its_code_whether_it_is_sound(self):
        done = self.run_program("spool", "inspect", "dir")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("shop.orders", done.stdout)
        self.assertIn("7 writes wait", done.stdout)
        self.assertNotIn('"number"', done.stdout)
        done = self.run_program("spool", "inspect", "dir", "--json", FAKE_DAMAGE="1")
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertEqual(json.loads(done.stdout)["damages"], 1)
        done = self.run_program("spool", "inspect", "--show-values", "--json", "dir")
        writes, summary = map(json.loads, done.stdout.splitlines())
        self.assertEqual(writes, {"number": 1})
        self.assertEqual(summary["unfinished"], 7)

    def test_salvage_says_in_its_code_whether_something_is_lost(self):
        done = self.run_program("spool", "salvage", "dir", "new")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("5 writes in new, 0 lost", done.stdout)
        done = self.run_program("spool", "salvage", "dir", "new", "--json", FAKE_DAMAGE="1")
        self.assertEqual((done.returncode, json.loads(done.stdout)["lost"]), (1, 2))

    def test_a_failure_ends_with_2_and_its_reason(self):
        for words in (["inspect", "dir"], ["salvage", "dir", "new"],
                      ["replay", "dir", "t", "--source", "s"]):
            done = self.run_program("spool", *words, FAKE_START="locked")
            self.assertEqual(done.returncode, 2)
            self.assertIn("is used by process 1", done.stderr)

    def replay(self, **environment: str):
        return self.run_program("spool", "replay", self.folder, "tgt:2", "--source", "src:1",
                                **environment)

    def test_replay_ends_when_all_is_delivered(self):
        done = self.replay(FAKE_BACKLOG="2500")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("delivered: 2,500 writes; left: 0; dead letters: 0", done.stdout)
        self.assertIn("of 2,500 writes delivered", done.stderr)
        done = self.replay(FAKE_BACKLOG="10", FAKE_DEAD_LETTERS="3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("dead_letters.jsonl", done.stderr)
        self.assertEqual(self.replay(FAKE_FAILURE="the disk is gone",
                                     FAKE_BACKLOG="100000").returncode, 2)

    def test_replay_is_ended_by_a_signal_and_says_what_is_left(self):
        running = self.start("spool", "replay", self.folder, "t", "--source", "s",
                             FAKE_BACKLOG="10000000")
        running.wait_for("writes delivered")
        running.signal(signal.SIGINT)
        self.assertEqual(running.finish(), 130, running.seen)
        self.assertRegex(running.out, r"left: [1-9][0-9,]+")


class DeadLetters(support.ProgramTest):
    program = support.CLI

    def test_list_and_export_print_what_they_are_asked_for(self):
        done = self.run_program("dead-letters", "list", "dir")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "open letters\n", ""))
        done = self.run_program("dead-letters", "list", "dir", "--all", FAKE_DEAD_LETTERS="2")
        self.assertEqual((done.returncode, done.stdout), (1, "all letters\n"))
        done = self.run_program("dead-letters", "list", "--json", "dir")
        self.assertEqual(json.loads(done.stdout), {"open": 0})
        done = self.run_program("dead-letters", "export", "dir", "--all")
        self.assertEqual((done.returncode, json.loads(done.stdout)), (0, {"id": "all"}))
        for verb in ("list", "export"):
            done = self.run_program("dead-letters", verb, "dir", FAKE_START="locked")
            self.assertEqual(done.returncode, 2)
            self.assertIn("is used by process 1", done.stderr)

    def test_retry_says_what_was_applied_and_what_is_open(self):
        words = ["dead-letters", "retry", self.folder, "tgt:2", "--source", "src:1"]
        done = self.run_program(*words, FAKE_BACKLOG="300")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "applied: 300; refused again: 0; open: 0\n")
        done = self.run_program(*words, FAKE_DEAD_LETTERS="2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("open: 2", done.stdout)
        done = self.run_program("dead-letters", "retry", self.folder, "tgt")
        self.assertEqual(done.returncode, 255)
        self.assertIn("--source is required", done.stderr)


if __name__ == "__main__":
    support.main()
