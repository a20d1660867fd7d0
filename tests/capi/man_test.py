#!/usr/bin/env python3
"""The manual pages of section 3 against the headers. `man_test.py INCLUDE PAGE...`"""

import re
import subprocess
import sys
import unittest
from pathlib import Path

INCLUDE, PAGES = Path(sys.argv[1] if len(sys.argv) > 1 else "."), [Path(a) for a in sys.argv[2:]]
NAME = re.compile(r"\bDW_API\b[^;]*?\b(dw_\w+)\s*\(|^#define (DW_\w+) ", re.MULTILINE)


def shown(page: Path) -> str:
    """As `man` shows it, without bold and with its lines joined."""
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=200n", page],
                          capture_output=True, text=True, check=True)
    assert not done.stderr, done.stderr
    return re.sub(r"\s+", " ", done.stdout)


class Pages(unittest.TestCase):
    def test_every_function_and_constant_of_the_headers_is_in_one(self):
        text = " ".join(map(shown, PAGES))
        names = [name for header in (INCLUDE / "dualwrite").rglob("*.h")
                 if header.name != "version.h"
                 for found in NAME.findall(header.read_text()) for name in found if name]
        self.assertGreater(len(names), 150)
        for name in names:
            if name not in ("DW_API",):
                self.assertIn(name, text)

    def test_every_sentence_of_a_comment_is_in_its_page(self):
        for header in (INCLUDE / "dualwrite/c").glob("*.h"):
            [page] = [page for page in PAGES if page.name == f"dw_{header.stem}.3"]
            text = re.sub(r"\s+", "", shown(page)).replace("‐", "-").replace("−", "-")
            for comment in re.findall(r"/\*(.*?)\*/", header.read_text(), re.DOTALL):
                if "clang-format" in comment:
                    continue
                words = re.sub(r"\s+", "", re.sub(r"\n\s*\*", "\n", comment)).replace("\\", "")
                for at in range(0, len(words) - 30, 30):
                    self.assertIn(words[at:at + 30], text.replace("\\", ""), header.name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
