#!/usr/bin/env python3
"""The C interface as a compiled program sees it, against the recorded one. `abi_test.py INCLUDE`

Functions, types and the layout of structs, compared by abidiff with tests/capi/dualwrite.abi. The
library has no debug information, so a stub with the same declarations stands for it; that the
library exports all of them shows symbols_test.py. After a change that programs survive:

    tests/capi/abi_test.py include --record
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RECORDED = Path(__file__).with_name("dualwrite.abi")
DECLARED = re.compile(r"^DW_API\s([^;{]*?\bdw_\w+\s*\([^;{]*\))\s*;", re.MULTILINE)
SKIPPED = 77  # for Meson


def stub(include: Path) -> str:
    headers = sorted((include / "dualwrite/c").glob("*.h"))
    declarations = [text for header in headers for text in DECLARED.findall(header.read_text())]
    names = {re.search(r"\b(dw_\w+)\s*\(", text)[1] for text in declarations}
    assert len(names) == len(declarations) > 50, "the declarations were not all understood"
    return "#include <dualwrite/dualwrite.h>\n" + "".join(
        f"{text} {{ __builtin_trap(); }}\n" for text in declarations)


def build(include: Path, folder: Path) -> Path:
    (folder / "stub.c").write_text(stub(include))
    library = folder / "libdualwrite.so"
    subprocess.run(["cc", "-std=c99", "-g", "-O0", "-w", "-shared", "-fPIC", f"-I{include}",
                    folder / "stub.c", "-o", library], check=True)
    return library


def main() -> int:
    include = Path(sys.argv[1]).resolve()
    if not shutil.which("abidiff"):
        print("abidiff is missing (package abigail-tools)")
        return SKIPPED
    with tempfile.TemporaryDirectory() as name:
        library = build(include, Path(name))
        if "--record" in sys.argv:
            dump = subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path",
                                   "--no-show-locs", library], check=True, capture_output=True,
                                  text=True).stdout
            RECORDED.write_text(dump.replace(name, "."))
            return 0
        done = subprocess.run(["abidiff", "--no-show-locs", RECORDED, library],
                              capture_output=True, text=True)
    print(done.stdout + done.stderr)
    if done.returncode == 0:
        return 0
    broken = done.returncode & 8
    print("programs that are compiled would break: the soname has to change" if broken else
          f"a change that programs survive: record it by {Path(__file__).name} INCLUDE --record")
    return 1


if __name__ == "__main__":
    sys.exit(main())
