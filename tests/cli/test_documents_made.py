#!/usr/bin/env python3
"""Completion and manual pages are made of the same table as the options.
`test_documents_made.py PROXY CLI [CASE]`"""

import os
import re
import shutil
import subprocess
import unittest

import support


def printed(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def options_of(*command: str) -> set[str]:
    """Those that work, as the help lists them."""
    text = printed(*command, "--help")
    return set(re.findall(r"^  (?:-\w+, )?--([\w-]+)", text, re.MULTILINE))


class Completion(unittest.TestCase):
    def setUp(self):
        self.programs = ((support.PROXY, "dualwrite-proxy", [[]]),
                         (support.CLI, "dualwrite",
                          [["copy"], ["validate"], ["spool", "inspect"], ["spool", "replay"],
                           ["spool", "salvage"], ["dead-letters", "list"],
                           ["dead-letters", "export"], ["dead-letters", "retry"]]))

    def bash(self, program: str, name: str, *words: str) -> list[str]:
        """What bash would offer for the last word."""
        function = "_" + name.replace("-", "_")
        line = " ".join(f"'{word}'" for word in [name, *words])
        script = (f"{printed(program, '--completion', 'bash')}\n"
                  f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; {function}\n"
                  "printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = subprocess.run(["bash", "--norc", "-c", script], check=True, capture_output=True,
                              text=True, cwd="/")
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_offers_every_option(self):
        for program, name, verbs in self.programs:
            for verb in verbs:
                offered = self.bash(program, name, *verb, "-")
                self.assertEqual({word[2:] for word in offered} - {"help", "version"},
                                 options_of(program, *verb) - {"help", "version"})

    def test_bash_offers_what_fits_behind_an_option(self):
        proxy = [support.PROXY, "dualwrite-proxy"]
        self.assertEqual(self.bash(*proxy, "--durability", ""), ["process", "fsync"])
        self.assertEqual(self.bash(*proxy, "--durability", "f"), ["fsync"])
        self.assertEqual(self.bash(*proxy, "--durability", "=", "f"), ["fsync"])
        self.assertEqual(self.bash(*proxy, "--durability", "="), ["process", "fsync"])
        self.assertEqual(self.bash(*proxy, "-W", "t"), ["true"])
        self.assertEqual(self.bash(*proxy, "--source-tls-v"), ["--source-tls-verify"])
        self.assertEqual(self.bash(*proxy, "--threads", ""), [])
        self.assertIn("tmp", self.bash(*proxy, "--state-dir", "tm"))
        self.assertEqual(self.bash(*proxy, "--config", "/etc/host.con"), ["/etc/host.conf"])
        jobs = [support.CLI, "dualwrite"]
        self.assertEqual(self.bash(*jobs, "c"), ["check", "copy"])
        self.assertEqual(self.bash(*jobs, "spo"), ["spool"])
        self.assertEqual(self.bash(*jobs, "spool", ""), ["inspect", "replay", "salvage", "--help"])
        self.assertEqual(self.bash(*jobs, "spool", "re"), ["replay"])
        self.assertEqual(self.bash(*jobs, "spool", "replay", "--durability", "f"), ["fsync"])
        self.assertIn("tmp", self.bash(*jobs, "spool", "inspect", "tm"))
        self.assertEqual(self.bash(*jobs, "copy", "--counters", ""), ["refuse", "converge"])
        self.assertEqual(self.bash(*jobs, "validate", "--counters", ""),
                         self.bash(*jobs, "validate", ""))
        self.assertEqual(self.bash(*jobs, "validate", "--rech"),
                         ["--recheck-delay", "--recheck-limit"])

    @unittest.skipUnless(shutil.which("fish"), "there is no fish")
    def test_fish_offers_the_same(self):
        def fish(program, line):
            script = printed(program, "--completion", "fish") + f"\ncomplete -C '{line}'\n"
            done = subprocess.run(["fish", "--no-config", "-c", script], check=True,
                                  capture_output=True, text=True, env=os.environ | {"HOME": "/"})
            return {row.split("\t")[0] for row in done.stdout.splitlines()}

        self.assertEqual(fish(support.PROXY, "dualwrite-proxy --durability "),
                         {"process", "fsync"})
        self.assertEqual(fish(support.CLI, "dualwrite "),
                         {"check", "copy", "validate", "runs", "spool", "dead-letters"})
        self.assertEqual(fish(support.CLI, "dualwrite spool "), {"inspect", "replay", "salvage"})
        for program, name, verbs in self.programs:
            for verb in verbs:
                offered = fish(program, " ".join([name, *verb, "--"]))
                self.assertEqual({word[2:].rstrip("=") for word in offered} - {"help", "version"},
                                 options_of(program, *verb) - {"help", "version"})

    @unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
    def test_zsh_reads_the_script(self):
        for program, name, verbs in self.programs:
            script = printed(program, "--completion", "zsh")
            done = subprocess.run(["zsh", "-f", "-n"], input=script, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for verb in verbs:
                for option in options_of(program, *verb):
                    self.assertRegex(script, rf"--{option}['\[,}})]")

    def test_an_unknown_shell_is_an_error(self):
        for program in (support.PROXY, support.CLI):
            for words in (["--completion", "ksh"], ["--completion"], ["--man-page", "x"]):
                done = subprocess.run([program, *words], capture_output=True, text=True)
                self.assertEqual(done.returncode, 255, done.stderr)
                self.assertEqual(done.stdout, "")


class ManualPages(unittest.TestCase):
    def page(self, program: str) -> str:
        """As a terminal shows it, in one line."""
        groff = subprocess.run(["groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=100n"],
                               input=printed(program, "--man-page"), capture_output=True,
                               text=True, check=True)
        self.assertEqual(groff.stderr, "")
        return " ".join(groff.stdout.split())

    @unittest.skipUnless(shutil.which("groff"), "there is no groff")
    def test_every_option_is_described_with_its_default(self):
        proxy, jobs = self.page(support.PROXY), self.page(support.CLI)
        for name in options_of(support.PROXY):
            self.assertIn(f"--{name}", proxy)
        for verb in (["copy"], ["validate"], ["spool", "inspect"], ["spool", "replay"]):
            for name in options_of(support.CLI, *verb):
                self.assertIn(f"--{name}", jobs)
        self.assertIn("-mp, --metrics-port PORT Port to serve them on; 0: a free one. "
                      "Default: 28000.", proxy)
        self.assertIn("dualwrite-proxy - relays CQL clients", proxy)
        self.assertIn("255 Wrong arguments.", proxy)
        self.assertIn("--rate ROWS Rows per second at most; 0: no limit. Default: 0. "
                      "Only for copy.", jobs)
        self.assertIn("Port of the source. Default: 9042. --target-port", jobs)
        self.assertIn("Only for spool inspect.", jobs)


if __name__ == "__main__":
    support.main()
