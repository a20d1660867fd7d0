"""`dualwrite copy` and `dualwrite validate` as a test runs them."""

import json
import sqlite3
import subprocess
from pathlib import Path

from support import program, run

RING_START, RING_END = -2**63, 2**63 - 1


def command(job: str, source, target, keyspace: str, state: Path, *options: str) -> list[str]:
    return [program("dualwrite"), job, f"{source.address}:{source.port}",
            f"{target.address}:{target.port}", "--keyspace", keyspace, "--state-dir", str(state),
            "--disable-source-tls", "true", "--disable-target-tls", "true", *options]


def job(*arguments: str) -> tuple[int, dict]:
    """Exit code and report."""
    done = run(command(*arguments) + ["--json"], 240)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        raise AssertionError(f"exit {done.returncode}, no report:\n{done.stderr}") from None


def started(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(command(*arguments), stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def found(report: dict) -> list[dict]:
    """The differences that a validation has written down."""
    return [json.loads(line) for line in Path(report["report_file"]).read_text().splitlines()]


def done_ranges(state: Path, table: str) -> list[tuple[int, int, int]]:
    """(start, end, rows) of the ranges that a ledger says are copied, in ring order."""
    (path,) = state.glob("*.sqlite")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as ledger:
        return ledger.execute("SELECT range_start, range_end, row_count FROM done "
                              "WHERE table_name = ? ORDER BY range_start", [table]).fetchall()


def gaps(ranges: list[tuple[int, int, int]]) -> list[str]:
    """Where (start, end] ranges do not cover the ring exactly once."""
    problems = []
    at = RING_START
    for start, end, _ in ranges:
        if start != at:
            problems.append(f"{'gap' if start > at else 'overlap'} at {at}: next begins at {start}")
        at = end
    if at != RING_END:
        problems.append(f"ends at {at}")
    return problems
