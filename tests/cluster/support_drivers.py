"""The programs of tests/drivers: what each speaks, how it is built, how it is run.

`python3 tests/cluster/support_drivers.py` builds them all. They lie in the bed's cache, under the
digest of their sources.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from testbed import fetch  # noqa: E402

PROGRAMS = ROOT / "tests/drivers"
_JVM = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512M"]


@dataclass(frozen=True)
class Driver:
    name: str
    protocols: tuple
    compressions: tuple = ("none", "lz4", "snappy")
    vectors: bool = False

    def settings(self) -> list[tuple[int, str]]:
        """(protocol version, compression): all that it speaks. Version 5 has no Snappy."""
        return [(version, one) for version in self.protocols for one in self.compressions
                if not (version == 5 and one == "snappy")]


DRIVERS = {driver.name: driver for driver in (
    Driver("python", (3, 4, 5), vectors=True),
    Driver("java", (3, 4, 5), vectors=True),
    Driver("go", (3, 4, 5), vectors=True),
    Driver("node", (3, 4), ("none",)),
    Driver("rust", (4,), vectors=True),
    Driver("cqlsh", (3, 4, 5), ("default",)),
)}


def command(name: str) -> list[str]:
    """What runs the program, built first if it is not in the cache."""
    if name == "python":
        return [str(fetch.python()), str(PROGRAMS / "python/drive.py")]
    folder = built(name)
    return {
        "java": ["java", *_JVM, "-cp", f"{folder}/*:{folder}/classes", "Drive"],
        "go": [f"{folder}/drive"],
        "node": ["node", f"{folder}/drive.js"],
        "rust": [f"{folder}/drive"],
    }[name]


def built(name: str) -> Path:
    """The folder of the built program."""
    source = PROGRAMS / name
    digest = hashlib.sha256()
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(source)).encode() + b"\0" + file.read_bytes())
    steps = {"java": _java, "go": _go, "node": _node, "rust": _rust}[name]
    return fetch.part(f"driver-{name}-{digest.hexdigest()[:12]}",
                      lambda target: steps(source, target))


def _java(source: Path, target: Path) -> None:
    _need("mvn", "maven")
    _need("javac", "openjdk-17-jdk-headless")
    _run(["mvn", "-B", "-q", "-f", source / "pom.xml", fetch.MAVEN_COPY, "-DincludeScope=runtime",
          f"-DoutputDirectory={target}"])
    _run(["javac", "-proc:none", "-cp", f"{target}/*", "-d", target / "classes",
          source / "Drive.java"])


def _go(source: Path, target: Path) -> None:
    _need("go", "golang-go, 1.22 or later")
    _run(["go", "build", "-mod=readonly", "-o", target / "drive", "."], source,
         {"GOTOOLCHAIN": "local", "GOFLAGS": ""})


def _node(source: Path, target: Path) -> None:
    _need("npm", "npm, and Node 20 or later")
    for name in ("package.json", "package-lock.json", "drive.js"):
        shutil.copy(source / name, target)
    _run(["npm", "ci", "--no-audit", "--no-fund"], target)


def _rust(source: Path, target: Path) -> None:
    """What cargo has compiled stays for the next change of our own source."""
    _need("cargo", "cargo, 1.88 or later; and libssl-dev")
    kept = fetch.cache_dir() / "driver-rust"
    # Without a lock file of its own a copy: cargo writes one beside Cargo.toml.
    shutil.copytree(source, kept / "source", dirs_exist_ok=True)
    _run(["cargo", "build", "--manifest-path", kept / "source/Cargo.toml"], None,
         {"CARGO_TARGET_DIR": str(kept / "target")})
    shutil.copy(kept / "target/debug/drive", target)


def _need(tool: str, package: str) -> None:
    if not shutil.which(tool):
        raise SystemExit(f"no {tool}, which builds a program of tests/drivers: apt-get install "
                         f"{package}")


def _run(words: list, folder: Path | None = None, environment: dict | None = None) -> None:
    done = subprocess.run([str(word) for word in words], cwd=folder, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})})
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise SystemExit(f"{words[0]} failed (exit {done.returncode}); its last lines:\n{tail}")


def run(name: str, timeout_s: float = 180, **options) -> str:
    """The transcript; AssertionError with what it said when the program failed."""
    words = [*command(name), *(f"{key}={value}" for key, value in options.items())]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{name} was not ready after {timeout_s} s; it had said:\n"
                             f"{(error.stdout or b'').decode()[-2000:]}") from None
    if done.returncode != 0:
        raise AssertionError(f"{name} ended with {done.returncode}; it said:\n"
                             f"{done.stdout[-1500:]}\n{done.stderr[-3000:]}")
    return done.stdout


_CQLSH_NOISE = (
    (r"Processed: \d+ rows;[^\n\r]*[\r\n]", ""),
    (r"(\d+ rows (?:exported|imported)[^\n]*) in [^\n]*", r"\1"),
    (r"Using \d+ child processes", "Using child processes"),
    (r"(Tracing session: )[-0-9a-f]+.*?Request complete[^\n]*", r"\1of some steps"),
    (r"\x1b\[[0-9;]*m", ""),
    (r"AND id = [-0-9a-f]+", ""),
    (r"\n\s*\n+", "\n"),
)


def run_cqlsh(folder: Path, timeout_s: float = 180, **options) -> str:
    """What cqlsh prints for tests/drivers/cqlsh.cql, and what COPY wrote, without what differs by
    chance."""
    folder.mkdir(parents=True, exist_ok=True)
    copied = folder / "copied.csv"
    script = (PROGRAMS / "cqlsh.cql").read_text()
    script = script.replace("dk", options["keyspace"]).replace("COPIED", str(copied))
    words = [fetch.cqlsh(), options["host"], options["port"], "--protocol-version",
             options["protocol"], "--no-color", "--encoding", "utf-8", "--disable-history",
             "--request-timeout", 60, "--connect-timeout", 20]
    environment = dict(os.environ)
    if "username" in options:
        words += ["-u", options["username"], "-p", options["password"]]
        script += f"LOGIN {options['username']} '{options['password']}';\n"
        script += f"SELECT count(*) FROM {options['keyspace']}.readings;\n"
    if "ca" in options:
        words += ["--ssl"]
        environment |= {"SSL_CERTFILE": str(options["ca"]), "SSL_VALIDATE": "true"}
    done = subprocess.run([str(word) for word in words], input=script, capture_output=True,
                          text=True, timeout=timeout_s, env=environment, cwd=folder)
    lines = sorted(copied.read_text().splitlines()) if copied.exists() else ["COPY wrote nothing"]
    text = "\n".join([done.stdout, done.stderr, *lines])
    for pattern, better in _CQLSH_NOISE:
        text = re.sub(pattern, better, text, flags=re.DOTALL)
    return text.replace(str(copied), "COPIED")


if __name__ == "__main__":
    for found in DRIVERS:
        if found != "cqlsh":
            print(found, *command(found)[:1], flush=True)
