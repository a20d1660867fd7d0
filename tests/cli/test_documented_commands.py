#!/usr/bin/env python3
"""Each command of ours that a document shows is accepted as it stands there, by the programs with
the fake engine. `test_documented_commands.py PROXY CLI [CASE]`

Placeholders get values; what is in brackets or ends in dots is a synopsis, for which the option
test of test_documents.py is there. Commands between real clusters run in tests/cluster.
"""

import pathlib
import re
import shlex
import unittest

import support

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENTS = ["README.md", "docs/tutorial/README.md", *(
    f"docs/{name}.md" for name in ("cli", "operations", "semantics", "spark", "benchmarks"))]
FILES = {"--proxy-jks-file", "--proxy-pem-certfile", "--proxy-pem-keyfile", "--source-tls-ca",
         "--target-tls-ca", "--target-password-file", "--source-password-file"}


def commands() -> list[tuple[str, list[str]]]:
    """(document, words) of each shell command that begins with one of our programs."""
    found = []
    for name in DOCUMENTS:
        text = (ROOT / name).read_text().replace("\\\n", " ")
        for block in re.findall(r"^```sh\n(.*?)^```$|((?:^    \S.*\n)+)", text,
                                re.MULTILINE | re.DOTALL):
            for line in "".join(block).splitlines():
                line = line.strip()
                if not re.match(r"dualwrite(-proxy)? ", line):
                    continue
                if "..." in line or "[" in line or "|" in line or "…" in line:
                    continue
                line = line.split(" > ")[0]
                found.append((name, shlex.split(re.sub(r"<[\w -]+>", "some-host", line),
                                                comments=True)))
    return found


class Commands(support.ProgramTest):
    def prepared(self, words: list[str]) -> list[str]:
        file = pathlib.Path(self.folder) / "file"
        file.write_text("one line\n")
        return [str(file) if before in FILES else word
                for before, word in zip([""] + words, words)]

    def test_each_is_accepted(self):
        seen = 0
        for document, (program, *words) in commands():
            words = self.prepared(words)
            with self.subTest(document=document, command=" ".join([program, *words])):
                self.program = support.PROXY if program == "dualwrite-proxy" else support.CLI
                options = ["--state-dir", self.folder] if "--state-dir" not in words else []
                if program == "dualwrite-proxy" and "--check" not in words:
                    options.append("--check")
                if words[0] in ("spool", "dead-letters", "check", "runs", "--man-page"):
                    options = []
                done = self.run_program(*words, *options, HOME=self.folder)
                self.assertNotIn("sage:", done.stderr + done.stdout)
                self.assertIn(done.returncode, (0, 1, 2), done.stderr)
                seen += 1
        self.assertGreater(seen, 10)


if __name__ == "__main__":
    support.main()
