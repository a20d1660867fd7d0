#!/usr/bin/env python3
"""The files of docs/operations/. `test_operations.py SOURCE_ROOT SERVICE_FILE PROXY [CASE]`

That their metrics exist is looked at by tests/engine/test_metrics.py.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT, SERVICE, PROXY = map(Path, sys.argv[1:4]) if len(sys.argv) > 3 else (Path(), Path(), Path())
FILES = ROOT / "docs/operations"
SECTIONS = {"Unit", "Service", "Install"}


def words_between(text: str, begin: str, end: str) -> set[str]:
    """The packages that a RUN of the Dockerfile installs."""
    return set(text.split(begin, 1)[1].split(end, 1)[0].replace("\\\n", " ").split())


class Service(unittest.TestCase):
    def keys(self) -> dict[str, str]:
        found, section = {}, ""
        for line in SERVICE.read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            head = re.fullmatch(r"\[(\w+)\]", line)
            if head:
                section = head[1]
                self.assertIn(section, SECTIONS)
                continue
            name, value = line.split("=", 1)
            self.assertNotIn(f"{section}.{name}", found)
            found[f"{section}.{name}"] = value
        return found

    def test_it_says_what_the_program_does(self):
        keys = self.keys()
        self.assertEqual(keys["Service.Type"], "notify")
        self.assertRegex(keys["Service.ExecStart"], r"^/\S+/bin/dualwrite-proxy --config /etc/")
        self.assertNotIn("@", SERVICE.read_text().replace("@system-service", ""))
        drain_s = 30  # the default of --drain-limit
        self.assertGreater(int(keys["Service.TimeoutStopSec"]), drain_s)
        self.assertGreater(int(keys["Service.WatchdogSec"]), 10)

    def test_its_configuration_is_one_that_the_program_takes(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([PROXY, "--config", FILES / "proxy.yaml", "--threads", "0"],
                                  capture_output=True, text=True, timeout=20,
                                  env={"STATE_DIRECTORY": folder})
        # The one mistake is ours.
        self.assertEqual(done.returncode, 255)
        self.assertIn("--threads: '0' is not a number", done.stderr)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd here")
    def test_systemd_knows_every_key(self):
        with tempfile.TemporaryDirectory() as folder:
            # Where the program will be there is none yet.
            unit = Path(folder) / "dualwrite-proxy.service"
            here = f"ExecStart={PROXY.resolve()}"
            unit.write_text(re.sub(r"ExecStart=\S+", here, SERVICE.read_text()))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit],
                                  capture_output=True, text=True, timeout=20)
        ours = [line for line in done.stderr.splitlines() if "dualwrite" in line]
        self.assertEqual(ours, [])


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = (FILES / "Dockerfile").read_text()
        cls.stages = cls.text.split("FROM ")[1:]

    def test_it_builds_with_the_packages_that_the_tests_build_with(self):
        here = (ROOT / "tests/support/packages.sh").read_text()
        wanted = words_between(here, 'build_packages="', '"') - {"ccache"}
        self.assertEqual(words_between(self.stages[0], "recommends", "COPY"), wanted)

    @unittest.skipUnless(shutil.which("dpkg-query"), "no Debian here")
    def test_it_runs_with_the_packages_that_the_programs_are_linked_with(self):
        there = words_between(self.stages[1], "recommends", "&&")
        listed = subprocess.run(["ldd", PROXY], capture_output=True, text=True, check=True).stdout
        if "san.so" in listed:
            self.skipTest("a sanitizer's libraries are not for the image")
        paths = {str(Path(path).resolve()) for path in re.findall(r"=> (/\S+)", listed)}
        base = {"libc6", "libgcc-s1", "zlib1g"}  # in every image
        for path in paths:
            found = subprocess.run(["dpkg-query", "-S", path, path.removeprefix("/usr")],
                                   capture_output=True, text=True).stdout
            with self.subTest(path):
                self.assertTrue(set(re.findall(r"^([\w.+-]+)", found, re.M)) & (there | base),
                                found)

    def test_the_state_outlives_it_and_no_root_runs_it(self):
        last = self.stages[-1]
        state = re.search(r"STATE_DIRECTORY=(\S+)", last)[1]
        self.assertIn(f"VOLUME {state}\n", last)
        self.assertRegex(last, r"USER 10001")
        self.assertIn('ENTRYPOINT ["/usr/bin/dualwrite-proxy"]', last)
        documented = (ROOT / "docs/operations.md").read_text()
        self.assertIn("operations/Dockerfile", documented)


class Dashboard(unittest.TestCase):
    def test_every_panel_has_a_title_a_place_and_a_question(self):
        dashboard = json.loads((FILES / "grafana-dashboard.json").read_text())
        panels = dashboard["panels"]
        self.assertGreater(len(panels), 10)
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken = set()
        for panel in panels:
            with self.subTest(panel["title"]):
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24)
                cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                         for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(cells & taken)
                taken |= cells
                for target in panel["targets"]:
                    self.assertIn("dualwrite_", target["expr"])
                    self.assertEqual(target["expr"].count("("), target["expr"].count(")"))
                    self.assertIn('instance=~"$instance"', target["expr"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
