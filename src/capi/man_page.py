#!/usr/bin/env python3
"""A manual page of section 3 from the comments of one C header. `man_page.py HEADER VERSION`

A comment belongs to the declarations behind it, up to the next empty line that a comment follows.
The page has them in the header's order: the header is the reference, and so `man` shows it.
"""

import re
import sys
from pathlib import Path

COMMENT = re.compile(r"/\*(.*?)\*/[ \t]*\n", re.DOTALL)
FUNCTION = re.compile(r"\bDW_API\b[^;]*?\b(dw_\w+)\s*\(")
NOISE = re.compile(r"^(#if|#ifdef|#ifndef|#endif|#include|extern \"C\"|\}$|#define DUALWRITE_)")


def escaped(text: str) -> str:
    """For groff: nothing of it is an instruction or a special character."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in text.split("\n"))


def text_of(comment: str) -> str:
    lines = [re.sub(r"^\s*\*? ?", "", line, count=1) if index else line.strip()
             for index, line in enumerate(comment.split("\n"))]
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def blocks(header: str) -> list[tuple[str, str]]:
    """(comment, declarations), in order."""
    header = re.sub(r"/\* clang-format (?:on|off) \*/\n", "", header)
    header = "\n".join(line for line in header.split("\n") if not NOISE.match(line))
    found, comment = [], ""
    for part in re.split(r"\n\s*\n", header):
        part = part.strip("\n")
        match = COMMENT.match(part + "\n")
        if match:
            comment, part = text_of(match[1]), part[match.end():].strip("\n")
        if part or match:
            found.append((comment, part))
        comment = ""
    return found


def paragraphs(text: str) -> str:
    """Prose is filled; what is indented or in columns stays as it is."""
    out = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.split("\n")
        columns = any(re.search(r"\S {2,}\S", line) or line.startswith(" ") for line in lines)
        out.append(".PP")
        out.append(f".nf\n{escaped(paragraph)}\n.fi" if columns else escaped(paragraph))
    return "\n".join(out)


def page(path: Path, version: str) -> str:
    header = path.read_text()
    name = "dualwrite" if path.stem == "dualwrite" else f"dw_{path.stem}"
    (summary, first), *rest = blocks(header)
    functions = FUNCTION.findall(header)
    what = summary.split("\n")[0].split(". ")[0].rstrip(".").removeprefix("dualwrite: ")
    out = [f'.TH {name} 3 "" "dualwrite {version}" "dualwrite"', ".SH NAME",
           f"{', '.join(functions or [name])} \\- {escaped(what)}",
           ".SH SYNOPSIS", ".nf",
           f"#include <dualwrite/{'c/' if functions else ''}{path.name}>", ".fi",
           "Link with \\-ldualwrite.",
           ".SH DESCRIPTION", paragraphs(summary)]
    for comment, declarations in [("", first), *rest]:
        if declarations:
            shown = escaped(declarations.replace("DW_API ", "").replace("DW_API\n", ""))
            out += [".PP", ".RS 0", ".ft B", ".nf", shown, ".fi", ".ft R", ".RE"]
        if comment:
            out += [".RS 4", paragraphs(comment), ".RE"]
    out += [".SH SEE ALSO", ".BR dualwrite (3), dualwrite\\-proxy (1), dualwrite (1)"]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    print(page(Path(sys.argv[1]), sys.argv[2]), end="")
