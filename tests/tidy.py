#!/usr/bin/env python3
"""Checks the repository's own rules: which layer may include which, sizes, leftovers.

Prints one line per violation, `file:line: rule`, and exits 1 if there is one.
The rules and their reasons are in docs/architecture.md.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)

CODECS = {"lz4.h", "snappy.h", "snappy-c.h", "libdeflate.h"}
CORE_FORBIDDEN = re.compile(
    r"^(asio|mbedtls|nlohmann|pthread|thread$|mutex$|condition_variable$|future$|iostream$|"
    r"fstream$|sys/|netinet|arpa|unistd|fcntl|poll|sqlite3|spdlog|CLI)"
)
# layer -> the layers of ours that it may include
LAYERS = {
    "base": {"base"},
    "protocol": {"base", "protocol"},
    "policy": {"base", "protocol", "policy"},
    "replication": {"base", "protocol", "policy", "replication"},
    "copy": {"base", "protocol", "policy", "copy"},
    "engine": {"base", "protocol", "policy", "replication", "copy", "engine"},
    "capi": {"base", "protocol", "policy", "replication", "copy", "engine", "c"},
    "proxy": {"c"},
    "cli": {"c"},
    "python": {"c"},
}
LINES_MAX = 500
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def layer_of(path: pathlib.PurePath) -> str | None:
    parts = path.parts
    if parts[:2] == ("include", "dualwrite") and len(parts) > 3:
        return parts[2]
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[:2] == ("bindings", "python"):
        return "python"
    return None


def target_layer(include: str) -> str | None:
    if include == "dualwrite/version.h":
        return None  # three numbers, for everybody
    if include == "dualwrite/dualwrite.h":
        return "c"
    parts = pathlib.PurePath(include).parts
    if parts and parts[0] == "dualwrite" and len(parts) > 2:
        return parts[1]
    return None


def include_problem(layer: str, quote: str, include: str) -> str | None:
    target = target_layer(include)
    if target is not None:
        if target not in LAYERS[layer]:
            return f"{layer} must not include {include}"
        return None
    if quote == '"' and layer in ("engine", "capi", "proxy", "cli", "python"):
        return None  # a private header beside its source
    if quote == '"':
        return f'{layer} includes its own headers as <dualwrite/...>, not "{include}"'
    if layer in ("base", "protocol", "policy", "replication", "copy"):
        if CORE_FORBIDDEN.match(include):
            return f"{layer} is free of I/O, threads and clocks: no <{include}>"
        if include in CODECS and layer != "protocol":
            return f"only protocol includes <{include}>"
    if include.startswith(("asio", "mbedtls")) and layer != "engine":
        return f"only engine includes <{include}>"
    if include.startswith("nlohmann") and layer not in ("engine", "capi", "cli"):
        return f"{layer} must not include <{include}>"
    return None


def check_file(path: pathlib.Path, problems: list[str]) -> None:
    relative = path.relative_to(ROOT)
    layer = layer_of(relative)
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > LINES_MAX:
        problems.append(f"{relative}:{LINES_MAX + 1}: file over {LINES_MAX} lines")
    for number, line in enumerate(lines, 1):
        if len(line) > 100 and "http" not in line:
            problems.append(f"{relative}:{number}: line over 100 columns")
        if path.name != "tidy.py" and MARKS.search(line):
            problems.append(f"{relative}:{number}: a mark was left behind")
        found = INCLUDE.match(line)
        if found and layer in LAYERS:
            problem = include_problem(layer, *found.groups())
            if problem:
                problems.append(f"{relative}:{number}: {problem}")


def main() -> int:
    problems: list[str] = []
    count = 0
    for folder in ("include", "src", "bindings", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".hpp", ".cpp", ".c", ".py") and path.is_file():
                count += 1
                check_file(path, problems)
    print("\n".join(problems) if problems else f"tidy: {count} files, no violation")
    return 1 if problems or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
