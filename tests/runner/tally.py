"""Counts of test cases, read from what each kind of runner leaves behind."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

_DOCTEST = re.compile(r"\[doctest\] test cases: *\d+ *\| *(\d+) passed *\| *(\d+) failed")
_UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in", re.MULTILINE)
_UNITTEST_BAD = re.compile(r"^(?:FAIL|ERROR): (\S+) \((\S+?)\)", re.MULTILINE)
_UNITTEST_SKIPPED = re.compile(r"skipped=(\d+)")


@dataclass
class Tally:
    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: int = 0
    details: list[str] = field(default_factory=list)  # what the failed ones said

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.passed + other.passed, self.failed + other.failed,
                     self.skipped + other.skipped, self.details + other.details)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {len(self.failed)} failed{skipped}"


def of_meson(build: Path, prefix: str) -> Tally:
    """From the log of `meson test`: doctest's cases where a test is a doctest program."""
    total = Tally()
    log = build / "meson-logs/testlog.json"
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        total += _meson_test(json.loads(line), prefix)
    return total


def _last_lines(name: str, text: str) -> str:
    return "\n".join([f"{name} said:", *text.rstrip().splitlines()[-40:]])


def _meson_test(test: dict, prefix: str) -> Tally:
    tally = _cases(test, prefix)
    if tally.failed:
        said = test.get("stdout", "") + test.get("stderr", "")
        tally.details.append(_last_lines(test["name"], said))
    return tally


def _cases(test: dict, prefix: str) -> Tally:
    name = f"{prefix}: {test['name'].split(' / ')[-1]}"
    if test["result"] == "SKIP":
        return Tally(skipped=1)
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    found = _DOCTEST.search(test.get("stdout", ""))
    if not found:
        return Tally(1) if good else Tally(failed=[f"{name} ({test['result']})"])
    passed, failed = int(found[1]), int(found[2])
    if good and not passed:
        return Tally(failed=[f"{name} ran no test case"])
    failures = [f"{name} (case {number + 1} of {failed})" for number in range(failed)]
    if not good and not failures:
        failures = [f"{name} ({test['result']})"]
    return Tally(passed, failures)


def of_unittest(output: str, exit_code: int, name: str) -> Tally:
    """From what `python -m unittest -v` printed."""
    ran = _UNITTEST_RAN.findall(output)
    if not ran:
        return Tally(failed=[f"{name} ended with {exit_code} before its end"],
                     details=[_last_lines(name, output)])
    bad = list(dict.fromkeys(f"{name}: {test[1]}.{test[0]}" if test[0] not in test[1] else
                             f"{name}: {test[1]}" for test in _UNITTEST_BAD.findall(output)))
    if exit_code != 0 and not bad:
        bad = [f"{name} ended with {exit_code}"]
    skipped = sum(map(int, _UNITTEST_SKIPPED.findall(output)))
    count = sum(map(int, ran))
    if not count and not bad:
        bad = [f"{name} ran no test"]
    said = [_last_lines(name, output)] if bad else []
    return Tally(max(count - len(bad) - skipped, 0), bad, skipped, said)
