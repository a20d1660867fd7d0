#!/usr/bin/env python3
"""The shared library exports what the headers declare, all of it and nothing else.

`symbols_test.py LIBRARY INCLUDE_FOLDER [NM]`
"""

import pathlib
import re
import subprocess
import sys

DECLARED = re.compile(r"^DW_API\s[^;]*?\b(dw_\w+)\s*\(", re.MULTILINE)


def main() -> int:
    library, include = sys.argv[1:3]
    nm = sys.argv[3] if len(sys.argv) > 3 else "nm"
    headers = sorted(pathlib.Path(include, "dualwrite").rglob("*.h"))
    declared = {name for header in headers for name in DECLARED.findall(header.read_text())}
    listing = subprocess.run([nm, "-D", "--defined-only", library], check=True,
                             capture_output=True, text=True).stdout
    exported = {line.split()[-1].split("@")[0] for line in listing.splitlines()
                if line.split()[-2] != "A"}
    soname = subprocess.run(["readelf", "-d", library], check=True, capture_output=True,
                            text=True).stdout
    problems = [f"declared but not exported: {name}" for name in sorted(declared - exported)]
    problems += [f"exported but not declared: {name}" for name in sorted(exported - declared)]
    version = pathlib.Path(include, "dualwrite/version.h").read_text()
    major = re.search(r"DW_API_VERSION_MAJOR (\d+)", version).group(1)
    if f"[libdualwrite.so.{major}]" not in soname:
        problems.append(f"the soname is not libdualwrite.so.{major}")
    print("\n".join(problems) or f"{len(exported)} symbols, all declared")
    return 1 if problems or not declared else 0


if __name__ == "__main__":
    sys.exit(main())
