#!/usr/bin/env python3
"""What a live proxy prints against what docs/ says of it. `test_metrics.py RIG DOCS [CASE]`

With promtool on the PATH (docs/operations.md) it has its say, too.
"""

import json
import re
import shutil
import subprocess
import sys
import unittest
import urllib.request
from pathlib import Path

RIG, DOCS = (sys.argv[1], Path(sys.argv[2])) if len(sys.argv) > 2 else ("", Path())
ROW = re.compile(r"^\| `(dualwrite_\w+)(?:\{([\w,]+)\})?` \| (\w+)"
                 r" \| ([^|]*)\| ([^|]*)\| ([^|]*)\|")
SAMPLE = re.compile(r'^(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)+)\})? (-?\d+(?:\.\d+)?)$')
USED = re.compile(r"\bdualwrite_\w+")


def documented() -> dict[str, tuple]:
    """Name: (labels, kind, unit, series, keys of the status)."""
    found = {}
    for line in (DOCS / "operations.md").read_text().splitlines():
        row = ROW.match(line)
        if row:
            name, labels, *rest = row.groups()
            found[name] = (frozenset((labels or "").split(",")) - {""}, *map(str.strip, rest))
    return found


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rig = subprocess.Popen([RIG, "refuse"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        cls.port = int(cls.rig.stdout.readline())
        cls.text = cls.get("/metrics")
        cls.status = json.loads(cls.get("/status.json"))
        cls.documented = documented()

    @classmethod
    def tearDownClass(cls):
        cls.rig.kill()
        cls.rig.communicate()

    @classmethod
    def get(cls, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{cls.port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def printed(self) -> dict[str, tuple]:
        """Name: (kind, set of label names, number of samples); checks the grammar on the way."""
        found, name, kind = {}, "", ""
        for line in self.text.splitlines():
            if line.startswith("# HELP "):
                name = line.split()[2]
                self.assertNotIn(name, found)
                self.assertGreater(len(line.split()), 3, line)
            elif line.startswith("# TYPE "):
                self.assertEqual(line.split()[2], name)
                kind = line.split()[3]
                found[name] = (kind, set(), 0)
            else:
                sample = SAMPLE.match(line)
                self.assertTrue(sample, line)
                self.assertEqual(sample[1], name, "samples follow their type")
                labels = set(re.findall(r'(\w+)="', sample[2] or ""))
                found[name] = (kind, labels, found[name][2] + 1)
        return found

    def test_the_list_in_the_handbook_is_what_is_printed(self):
        printed = self.printed()
        self.assertGreater(len(printed), 40)
        only_with_tls = {"dualwrite_certificate_left_seconds"}
        self.assertEqual(set(self.documented) - only_with_tls, set(printed))
        for name, (kind, labels, samples) in printed.items():
            with self.subTest(name):
                its_labels, its_kind, unit, series, _ = self.documented[name]
                self.assertEqual(its_kind, kind)
                if samples:
                    self.assertEqual(its_labels, labels)
                if series.isdigit():
                    self.assertEqual(samples, int(series))
                self.assertEqual(name.endswith("_total"), kind == "counter")
                for word in ("seconds", "bytes"):
                    self.assertEqual(unit.startswith(word), f"_{word}" in name)

    def test_every_series_that_grows_with_use_has_samples_and_a_bound(self):
        grows = [name for name, its in self.documented.items() if not its[3][0].isdigit()]
        self.assertEqual(sorted(grows), ["dualwrite_not_replicated_total",
                                         "dualwrite_table_writes_total"])
        printed = self.printed()
        for name in grows:
            self.assertIn("at most", self.documented[name][3])
            self.assertGreater(printed[name][2], 0)

    def test_the_status_has_the_keys_that_the_list_names(self):
        seen = set()
        for name, (_, _, _, _, keys) in self.documented.items():
            for key in re.findall(r"`([\w.]+)`", keys):
                seen.add(key.split(".")[0])
                if key == "tls.certificate":
                    continue
                value = self.status
                for part in key.split("."):
                    self.assertIn(part, value, f"{name}: {key}")
                    value = value[part]
        text = (DOCS / "operations.md").read_text()
        for key in set(self.status) - seen:
            self.assertIn(f"`{key}`", text)

    def test_rules_and_dashboard_use_only_what_is_there(self):
        files = [*DOCS.glob("operations/*.rules.yml"), *DOCS.glob("operations/*.json")]
        self.assertGreaterEqual(len(files), 2)
        for file in files:
            with self.subTest(file.name):
                used = set(USED.findall(file.read_text()))
                self.assertTrue(used)
                self.assertEqual(used - set(self.documented), set())

    def test_alerts_have_all_that_an_operator_needs(self):
        text = (DOCS / "operations/alerts.rules.yml").read_text()
        alerts = text.split("- alert: ")[1:]
        self.assertGreater(len(alerts), 10)
        handbook = (DOCS / "operations.md").read_text()
        for alert in alerts:
            with self.subTest(alert.splitlines()[0]):
                self.assertIn(f"`{alert.splitlines()[0]}`", handbook)
                self.assertRegex(alert, r"expr: \S")
                self.assertRegex(alert, r"severity: (warning|critical)")
                self.assertRegex(alert, r'summary: "\{\{ \$labels.instance \}\}: .+"')

    @unittest.skipUnless(shutil.which("promtool"), "no promtool here")
    def test_promtool_has_no_complaint(self):
        done = subprocess.run(["promtool", "check", "metrics"], input=self.text, text=True,
                              capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rules = sorted(map(str, DOCS.glob("operations/*.rules.yml")))
        done = subprocess.run(["promtool", "check", "rules", *rules], text=True,
                              capture_output=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
