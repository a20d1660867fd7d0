#!/usr/bin/env python3
"""The status page in a headless Chromium, before a live proxy whose target stalls.

`test_status_page.py RIG [CASE]`; with DUALWRITE_SCREENSHOTS=FOLDER the pictures of docs/ are made.
"""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import browser  # noqa: E402

RIG = sys.argv[1] if len(sys.argv) > 1 else ""
SKIPPED = 77
LAG = "samples.map(s => s.lag)"


class StatusPage(unittest.TestCase):
    def setUp(self):
        self.rig = subprocess.Popen([RIG], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end_rig)
        self.address = f"http://127.0.0.1:{int(self.rig.stdout.readline())}/"
        self.page = browser.Browser(browser.find(), 1120, 900)
        self.addCleanup(self.page.close)
        self.page.open(self.address)
        self.page.wait_for("typeof samples !== 'undefined' && samples.length >= 2")

    def end_rig(self):
        self.rig.kill()
        self.rig.communicate()

    def tell(self, word: str) -> None:
        self.rig.stdin.write(word + "\n")
        self.rig.stdin.flush()

    def picture(self, name: str) -> None:
        folder = os.environ.get("DUALWRITE_SCREENSHOTS")
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(folder or scratch) / name
            self.page.screenshot(str(path))
            self.assertGreater(path.stat().st_size, 10_000)

    def test_the_lag_of_a_stalled_target_is_seen_rising_and_falling(self):
        page = self.page
        page.wait_for("at('verdict').className === 'good'")
        self.assertIn("old ring", page.text("#source-address"))
        self.assertEqual(page.text("#target-state"), "✓ answers")
        self.tell("stall")
        page.wait_for(f"{LAG}.at(-1) > 6")
        lag = page.evaluate(LAG)
        rising = [later - earlier for earlier, later in zip(lag[-5:], lag[-4:])]
        self.assertTrue(all(0.5 < step < 3 for step in rising), lag)
        self.assertRegex(page.text("#lag-says"), r"^Now [67]\.\d s; highest here [67]\.\d s\.$")
        self.assertRegex(page.text("#verdict"), r"\d+ writes are on their way")
        self.assertRegex(page.evaluate("document.title"), r"^[67]\.\d s behind")
        drawn = page.evaluate("document.querySelector('#lag-plot .curve').getAttribute('d')")
        self.assertGreater(drawn.count("L"), 4)

        self.tell("resume")
        page.wait_for(f"{LAG}.at(-1) < 0.5")
        page.wait_for("Math.max(...samples.map(s => s.delivered)) > 300")
        self.assertGreater(max(page.evaluate(LAG)), 6)
        page.wait_for(f"{LAG}.length > 12")
        self.picture("status-light.png")
        page.set_dark(True)
        self.assertEqual(page.evaluate("getComputedStyle(document.body).backgroundColor"),
                         "rgb(14, 17, 22)")
        self.picture("status-dark.png")
        self.check_manners()

    def test_what_the_target_refuses_and_a_source_that_is_away_are_said_in_words(self):
        page = self.page
        self.tell("refuse")
        page.wait_for("at('verdict').className === 'warning'")
        self.assertIn("kept as dead letters", page.text("#verdict"))
        page.wait_for("at('lost').textContent.includes('refused by the target')")
        self.assertIn("crm.people", page.text("#lost"))
        self.assertIn("the target refuses writes to crm.people", page.text("#events"))
        rows = page.evaluate("[...at('tables').tBodies[0].rows].map(r => "
                             "[...r.cells].map(c => c.textContent))")
        self.assertEqual([row[0] for row in rows], ["shop.orders", "shop.carts", "crm.people"])
        self.assertEqual(rows[0][3], "0")
        self.assertNotEqual(rows[2][3], "0")
        page.resize(390, 844)
        page.wait_for("innerWidth === 390")
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390)
        self.picture("status-phone.png")
        self.tell("away")
        page.wait_for("at('verdict').textContent.includes('The source does not answer')")
        self.assertEqual(page.text("#source-state"), "✕ does not answer")
        self.check_manners()
        self.rig.kill()
        page.wait_for("at('verdict').textContent.includes('has not answered since')")
        self.assertIsNone(page.evaluate(LAG)[-1])

    def check_manners(self) -> None:
        """Nothing from elsewhere, nothing that the policy had to stop; and it would have."""
        page = self.page
        self.assertEqual(page.complaints, [])
        self.assertEqual({url.removeprefix(self.address) for url in page.asked},
                         {"", "status.json"})
        self.assertTrue(page.evaluate("make('p', '<b>x</b>').children.length === 0"))
        self.assertEqual(page.evaluate("""new Promise(done => {
            addEventListener('securitypolicyviolation', e => done(e.effectiveDirective));
            const s = document.createElement('script');
            s.textContent = 'window.broken = 1';
            document.body.append(s);
            setTimeout(() => done('not stopped'), 3000);
        })"""), "script-src-elem")
        self.assertEqual(page.evaluate("typeof broken"), "undefined")


if __name__ == "__main__":
    if browser.find() is None:
        print("no Chromium here: install chromium-headless-shell", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
