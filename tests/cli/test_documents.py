#!/usr/bin/env python3
"""Documents and programs name the same options. `test_documents.py PROXY CLI [CASE]`"""

import pathlib
import re
import subprocess
import unittest

import support

ROOT = pathlib.Path(__file__).parents[2]
OPTION = re.compile(r"(?<![\w-])--([A-Za-z][\w-]*)")
# Of other programs, and examples of what is not there or shortened.
OTHERS = {"cflags", "libs", "opt", "OPTION", "target-u", "wai", "build", "help", "version", "json",
          "threds", "now", "stop-timeout", "prefix", "buildtype", "completion", "man-page", "check",
          "strict", "kill-whom"}


class Documents(unittest.TestCase):
    def setUp(self):
        self.known = set()
        for command in ([support.PROXY], *([support.CLI, *words] for words in (
                ["check"], ["runs"], ["copy"], ["validate"], ["spool", "inspect"],
                ["spool", "replay"], ["dead-letters", "list"]))):
            text = subprocess.run([*command, "--help"], check=True, capture_output=True,
                                  text=True).stdout
            self.known |= set(OPTION.findall(text))

    def test_every_option_in_a_document_exists(self):
        for name in ("cli.md", "operations.md", "c-api.md", "python.md"):
            used = set(OPTION.findall((ROOT / "docs" / name).read_text()))
            self.assertEqual(used - self.known - OTHERS, set(), name)

    def test_every_option_of_the_proxy_that_is_new_is_described(self):
        text = subprocess.run([support.PROXY, "--help"], check=True, capture_output=True,
                              text=True).stdout
        documented = (ROOT / "docs/cli.md").read_text()
        new = {"proxy-host", "metrics-host", "state-dir", "durability", "spool-size-max",
               "wait-limit", "drain-limit", "target-connections", "request-size-max",
               "source-username", "source-tls-ca", "target-tls-ca", "source-tls-verify",
               "target-tls-verify", "source-tls-name", "target-tls-name", "peers", "log-level",
               "log-format", "config", "take-over", "source-password-file", "target-password-file"}
        for name in new:
            self.assertIn(f"--{name} ", text)
            self.assertIn(f"`--{name}`", documented)
        planned = re.search(r"Not yet in this version.*?\n\n", text, re.DOTALL)
        for name in OPTION.findall(planned[0] if planned else ""):
            self.assertIn(f"`--{name}`", documented)

    def test_every_test_that_the_semantics_name_exists(self):
        document = re.sub(r"\s+", " ", (ROOT / "docs/semantics.md").read_text())
        named = re.findall(r"`(\w+/\w+\.(?:py|cpp)): ([^`]+)`", document)
        self.assertGreater(len(named), 30)
        for file, case in named:
            text = re.sub(r'"\s*\n\s*"', "", (ROOT / "tests" / file).read_text())
            known = f"def {case}(" if file.endswith(".py") else f'TEST_CASE("{case}"'
            self.assertTrue(known in text, f"{file}: {case}")

    def test_links_lead_somewhere(self):
        for document in (ROOT / "docs").glob("*.md"):
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
                self.assertTrue((document.parent / link).exists(), f"{document.name}: {link}")


if __name__ == "__main__":
    support.main()
