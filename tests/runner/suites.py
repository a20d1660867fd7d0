"""The suites: what each builds and runs, and how long it may take."""

import os
import shutil
import sys
from pathlib import Path

from processes import run
from tally import Tally, of_meson, of_unittest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PYTHON_ENVIRONMENT = BUILD / "python-environment"

# Line numbers in reports without the time that full debug information takes to write.
_LINES = ["-Ddebug=false", "-Dc_args=-g1", "-Dcpp_args=-g1"]
# Name: what it is for, meson's options, compiler, factor on the time limits of the tests.
CONFIGURATIONS = {
    "release": ("GCC, optimized, every warning an error: what the clusters run on",
                ["-Doptimization=2", "-Ddebug=false"], "g++", 1),
    "asan": ("GCC with AddressSanitizer and UndefinedBehaviorSanitizer",
             ["-Doptimization=0", *_LINES, "-Db_sanitize=address,undefined"], "g++", 5),
    # GCC warns that it does not see through the fences of Asio's scheduler.
    "tsan": ("GCC with ThreadSanitizer",
             ["-Doptimization=1", *_LINES, "-Dcpp_args=-g1 -Wno-tsan", "-Db_sanitize=thread"],
             "g++", 10),
    "clang": ("Clang, every warning an error", ["-Doptimization=0", "-Ddebug=false"],
              "clang++", 3),
    "fuzz": ("libFuzzer, a short run of each target",
             ["--buildtype=debugoptimized", "-Dfuzz=true", "-Db_lundef=false"], "clang++", 5),
}
_C_COMPILER = {"g++": "gcc", "clang++": "clang"}
_SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}
# A clone elsewhere finds in the compiler cache what an earlier one compiled.
_CCACHE = {"CCACHE_BASEDIR": str(ROOT), "CCACHE_NOHASHDIR": "1",
           "CCACHE_IGNOREOPTIONS": "-Werror"}


def configuration(name: str) -> Tally:
    """Builds one configuration and runs its unit tests."""
    _, options, compiler, factor = CONFIGURATIONS[name]
    folder = BUILD / name
    tally = _build(folder, options, compiler)
    if tally.failed:
        return tally
    code, _ = run(["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs",
                   "--timeout-multiplier", factor], 1200, _SANITIZERS)
    tests = of_meson(folder, name)
    if code != 0 and not tests.failed:
        tests += Tally(failed=[f"{name}: meson test ended with {code}"])
    return tally + tests


def _build(folder: Path, options: list[str], compiler: str) -> Tally:
    name = f"{folder.name}: build without a warning"
    environment = dict(_CCACHE)
    made_with = folder / "options-of-tests-run"
    wanted = " ".join([compiler, *options])
    if not made_with.is_file() or made_with.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        wrapper = "ccache " if shutil.which("ccache") else ""
        environment |= {"CXX": wrapper + compiler, "CC": wrapper + _C_COMPILER[compiler]}
        code, _ = run(["meson", "setup", folder, "-Dwerror=true", *options], 300, environment,
                      quiet=True)
        if code != 0:
            return Tally(failed=[name])
        made_with.write_text(wanted)
    code, _ = run(["ninja", "-C", folder], 2400, environment, quiet=True)
    return Tally(failed=[name]) if code else Tally(1)


def _unit(_) -> Tally:
    return configuration("release")


def _sanitized(_) -> Tally:
    return configuration("asan")


def _python(_) -> Tally:
    """`pip install .` into an environment of its own, then the tests of the module."""
    shutil.rmtree(PYTHON_ENVIRONMENT, ignore_errors=True)
    if not _python_environment():
        return Tally(failed=["python: pip install . and mypy"])
    files = sorted((ROOT / "tests/python").glob("test_*.py"))
    return _unittests(files, PYTHON_ENVIRONMENT / "bin/python", 300) + Tally(1)


def _python_environment() -> bool:
    """False: it cannot be made, and why has been printed."""
    folder, python = PYTHON_ENVIRONMENT, PYTHON_ENVIRONMENT / "bin/python"
    if folder.is_dir():
        return True
    for command in ([sys.executable, "-m", "venv", folder],
                    [python, "-m", "pip", "install", "-q", "--disable-pip-version-check",
                     # As deep as the other builds: the compiler cache then knows its paths.
                     f"-Cbuild-dir={BUILD / 'python'}", ROOT],
                    [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "mypy"]):
        code, _ = run(command, 900, _CCACHE, quiet=True)
        if code != 0:
            shutil.rmtree(folder, ignore_errors=True)
            return False
    return True


def _bed(options) -> Tally:
    return _unittests([ROOT / "tests/testbed/test_bed.py"], Path(sys.executable), 300,
                      options.tests)


def _cluster(options) -> Tally:
    code, _ = run(["tests/testbed/bed", "fetch"], 900)
    if code != 0:
        return Tally(failed=["cluster: bringing Cassandra's jars"])
    if options.tests in "tests/cluster/test_spark.py" and not _python_environment():
        return Tally(failed=["cluster: the Python module for Spark"])
    if options.tests in "tests/cluster/test_drivers.py tests/cluster/test_driver_rings.py":
        code, _ = run([sys.executable, "tests/cluster/support_drivers.py"], 1200)
        if code != 0:
            return Tally(failed=["cluster: building tests/drivers"])
    files = sorted((ROOT / "tests/cluster").glob("test_*.py"))
    return _unittests(files, Path(sys.executable), 600, options.tests)


def _tutorial(_) -> Tally:
    code, _ = run(["docs/tutorial/run"], 600, _CCACHE)
    return Tally(failed=[f"docs/tutorial/run ended with {code}"]) if code else Tally(1)


def _unittests(files: list[Path], python: Path, limit_s: float, word: str = "") -> Tally:
    total = Tally()
    environment = {"DUALWRITE_BUILD": str(BUILD / "release"), "PYTHONUNBUFFERED": "1"}
    for file in files:
        name = str(file.relative_to(ROOT))
        if word not in name:
            continue
        print(f"... {name}", flush=True)
        code, output = run([python, file, "-v"], limit_s, environment)
        total += of_unittest(output, code, name)
    return total


SUITES = {
    "unit": (_unit, False, "the release build and its unit tests, layer rules, short fuzzing"),
    "asan": (_sanitized, False, "the same tests under ASan and UBSan"),
    "python": (_python, False, "pip install . and the tests of the Python module"),
    "bed": (_bed, True, "the test bed itself: real Cassandra 5.0, 4.1, 4.0"),
    "cluster": (_cluster, True, "the programs between two real clusters"),
    "tutorial": (_tutorial, True, "docs/tutorial/run"),
}


def names() -> list[str]:
    return list(SUITES)


def chosen(options) -> list[tuple]:
    """(name, function) in order."""
    if options.config:
        return [(f"unit tests, configuration {name}", lambda _, name=name: configuration(name))
                for name in options.config]
    found = []
    for name, (function, clusters, _) in SUITES.items():
        if options.only and name not in options.only:
            continue
        if options.quick and clusters:
            continue
        found.append((name, function))
    return found


def help_text() -> str:
    lines = ["suites:"]
    lines += [f"  {name:10} {text}" for name, (_, _, text) in SUITES.items()]
    lines += ["", "configurations (built under build/NAME):"]
    lines += [f"  {name:10} {text}" for name, (text, *_) in CONFIGURATIONS.items()]
    return "\n".join(lines)


os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
