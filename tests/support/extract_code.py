#!/usr/bin/env python3
"""Writes the only block of code of a language in a document to a file, so that it is compiled.

`extract_code.py DOCUMENT LANGUAGE OUTPUT`
"""

import pathlib
import re
import sys

document, language, output = sys.argv[1:4]
blocks = re.findall(rf"^```{language}\n(.*?)^```$", pathlib.Path(document).read_text(),
                    re.MULTILINE | re.DOTALL)
if len(blocks) != 1:
    sys.exit(f"{document}: {len(blocks)} blocks of {language}, one was expected")
pathlib.Path(output).write_text(blocks[0])
