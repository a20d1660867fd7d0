#!/usr/bin/env python3
"""Makes a C++ header of the status page, with the hashes that its security policy needs.

`embed_page.py PAGE.html OUTPUT.hpp`. Only the page's own style and script may run: the policy names
each by its hash, and allows requests to where the page came from and nothing else.
"""

import base64
import hashlib
import pathlib
import re
import sys

SIZE_MAX = 60 * 1024
# One literal may be 64 KiB; this keeps lines and literals small for every compiler.
PIECE = 2000


def hashes(page: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    if not found:
        raise SystemExit(f"the page has no <{tag}>")
    digests = [hashlib.sha256(text.encode()).digest() for text in found]
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def check(page: str) -> None:
    if len(page.encode()) >= SIZE_MAX:
        raise SystemExit(f"the page has {len(page.encode())} bytes; the limit is {SIZE_MAX}")
    for pattern, what in ((r"\sstyle=", "a style attribute"),
                          (r"\son[a-z]+=", "an event attribute"),
                          (r"<(link|img|iframe|object|embed)\b", "an element that loads"),
                          (r"innerHTML|insertAdjacentHTML|document\.write|\beval\b",
                           "text that becomes elements"),
                          (r"(src|href)=\"?(https?:)?//", "an outside address")):
        if re.search(pattern, page):
            raise SystemExit(f"the page has {what}, which its policy forbids")


def main() -> None:
    source, output = map(pathlib.Path, sys.argv[1:3])
    page = source.read_text(encoding="utf-8")
    check(page)
    policy = (f"default-src 'none'; connect-src 'self'; style-src {hashes(page, 'style')}; "
              f"script-src {hashes(page, 'script')}; base-uri 'none'; form-action 'none'; "
              "frame-ancestors 'none'")
    pieces = [page[i:i + PIECE] for i in range(0, len(page), PIECE)]
    literals = "\n".join(f'    R"__page__({piece})__page__"' for piece in pieces)
    output.write_text(f"""// Made by embed_page.py from {source.name}.
#pragma once

#include <string_view>

namespace dualwrite::engine::status_page {{

inline constexpr const char* headers =
    "Content-Security-Policy: {policy}\\r\\n"
    "Referrer-Policy: no-referrer\\r\\n";

inline constexpr std::string_view html =
{literals};

}}  // namespace dualwrite::engine::status_page
""", encoding="utf-8")


if __name__ == "__main__":
    main()
