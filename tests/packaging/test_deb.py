#!/usr/bin/env python3
"""The Debian packages: `test_deb.py BUILD [CASE]`. Elsewhere than on Debian it is skipped."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path()
ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("dpkg-deb", "dpkg-shlibdeps", "apt-get")
SKIPPED = 77
PROGRAM_SIZE_MAX = 5 * 1024 * 1024


def run(*command, **more) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100,
                          **more)
    if done.returncode != 0:
        raise AssertionError(f"{command}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = Path(scratch.name)
        said = run(ROOT / "docs/operations/make-deb", BUILD, cls.folder)
        cls.programs, cls.library = map(Path, said.split())
        for package in (cls.programs, cls.library):
            run("dpkg-deb", "--extract", package, cls.folder / "root")

    def field(self, package: Path, name: str) -> str:
        return run("dpkg-deb", "--field", package, name).strip()

    def test_the_programs_run_from_where_they_are_unpacked(self):
        version = self.field(self.programs, "Version")
        for name in ("dualwrite", "dualwrite-proxy"):
            program = self.folder / "root/usr/bin" / name
            self.assertEqual(run(program, "--version"), f"{name} {version}\n")
            self.assertLess(program.stat().st_size, PROGRAM_SIZE_MAX)

    def test_nothing_names_the_prefix_of_the_build(self):
        unit = self.folder / "root/usr/lib/systemd/system/dualwrite-proxy.service"
        self.assertIn("ExecStart=/usr/bin/dualwrite-proxy --config /etc/dualwrite/proxy.yaml\n",
                      unit.read_text())
        found = [path for pattern in ("*.pc", "*.cmake", "*.service")
                 for path in (self.folder / "root").rglob(pattern)]
        self.assertEqual(len(found), 5)
        for path in found:
            self.assertNotRegex(path.read_text(), r"/usr/local|/tmp/")

    def test_files_belong_to_one_package_and_to_root(self):
        listed = [re.findall(r"^(\S)(\S+) (\S+) .* \./(\S+?)/?(?: -> .*)?$",
                             run("dpkg-deb", "--contents", package), re.M)
                  for package in (self.programs, self.library)]
        names = [{line[3] for line in lines if line[0] != "d"} for lines in listed]
        self.assertFalse(names[0] & names[1])
        self.assertGreater(len(names[1]), 80)
        for lines in listed:
            for kind, mode, owner, name in lines:
                self.assertEqual(owner, "root/root", name)
                if kind == "d":
                    self.assertEqual(mode, "rwxr-xr-x", name)
        # Of the programs' package, what is not under /usr is the operator's.
        others = {name for name in names[0] if not name.startswith("usr/")}
        self.assertEqual(others, {"etc/dualwrite/proxy.yaml"})
        run("dpkg-deb", "--control", self.programs, self.folder / "control")
        self.assertEqual((self.folder / "control/conffiles").read_text(),
                         "/etc/dualwrite/proxy.yaml\n")

    def test_sums_are_right(self):
        for package in (self.programs, self.library):
            control = self.folder / f"{package.stem}-control"
            run("dpkg-deb", "--control", package, control)
            run("md5sum", "--check", "--quiet", control / "md5sums", cwd=self.folder / "root")

    def test_apt_would_install_them(self):
        depends = self.field(self.programs, "Depends")
        for library in ("libc6", "libstdc++6", "libmbedtls"):
            self.assertIn(library, depends)
        said = run("apt-get", "--simulate", "install", self.programs, self.library,
                   env=os.environ | {"LC_ALL": "C"})
        self.assertRegex(said, r"(?m)^Inst dualwrite \(")
        self.assertRegex(said, r"(?m)^Inst libdualwrite-dev \(")


if __name__ == "__main__":
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"no {', '.join(missing)} here", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
