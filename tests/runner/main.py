"""Runs the suites one after the other, prints each as it goes, and counts.

The last line is `N passed, N failed`; the exit code is 0 only if nothing failed.
"""

import argparse
import os
import signal
import sys
import time

import processes
import suites
from tally import Tally


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes.adopt_orphans()
    os.chdir(suites.ROOT)
    total, began = Tally(), time.monotonic()
    try:
        for name, run in suites.chosen(options):
            total += _one(name, run, options)
    except (KeyboardInterrupt, SystemExit):
        print("interrupted", flush=True)
        total += Tally(failed=["interrupted"])
    finally:
        processes.end_all()
    _summary(total, time.monotonic() - began)
    return 1 if total.failed or not total.passed else 0


def _one(name: str, run, options) -> Tally:
    began = time.monotonic()
    print(f"\n=== {name}", flush=True)
    tally = run(options)
    for left in processes.leftovers():
        tally += Tally(failed=[f"{name} left a process running: {left}"])
    print(f"--- {name}: {tally} in {time.monotonic() - began:.0f} s", flush=True)
    return tally


def _summary(total: Tally, seconds: float) -> None:
    for text in total.details:
        print(f"\n{text}")
    print()
    for failure in total.failed:
        print(f"FAILED {failure}")
    print(f"{seconds:.0f} s in all")
    print(total, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/run", description="Builds everything and runs all tests.",
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=suites.help_text())
    parser.add_argument("--only", action="append", metavar="SUITE", choices=suites.names(),
                        help="run this suite; may be given several times")
    parser.add_argument("--quick", action="store_true", help="leave out all real clusters")
    parser.add_argument("--config", choices=suites.CONFIGURATIONS, action="append", default=[],
                        help="build and run the unit tests in this configuration, nothing else")
    parser.add_argument("--tests", metavar="WORD", default="",
                        help="of the suites bed and cluster: files with this word in their name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
