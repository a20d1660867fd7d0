"""The examples of README.md run: `python tests/python/test_readme.py -v`, with the module installed
and DUALWRITE_BUILD naming a build folder."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import dualwrite

ROOT = pathlib.Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return found


class Readme(unittest.TestCase):
    def test_the_python_example_prints_what_it_says(self):
        code, proxy = block("python").split("\n\nwith ", 1)
        self.assertIn("update shop carts 60", code)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        self.assertEqual(done.stdout, "update shop carts 60\n", done.stderr)
        self.assertIn("dualwrite.Proxy(", proxy)
        with tempfile.TemporaryDirectory() as folder, dualwrite.Proxy(
                "127.0.0.1:1", "127.0.0.1:1", disable_source_tls=True, disable_target_tls=True,
                proxy_port=0, metrics=False, state_dir=folder) as running:
            self.assertGreater(running.port, 0)

    @unittest.skipUnless(os.environ.get("DUALWRITE_BUILD"), "DUALWRITE_BUILD is not set")
    def test_the_c_example_compiles_without_a_warning_and_runs(self):
        library = pathlib.Path(os.environ["DUALWRITE_BUILD"]).absolute() / "src/capi"
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "example.c"
            source.write_text(block("c"))
            subprocess.run(
                ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", source,
                 "-o", f"{folder}/example", f"-L{library}", "-ldualwrite"], check=True)
            done = subprocess.run([f"{folder}/example"], capture_output=True, text=True,
                                  env=os.environ | {"LD_LIBRARY_PATH": str(library)})
        self.assertEqual(done.stdout, "shop.carts, TTL 60 s\n", done.stderr)

    def test_links_lead_somewhere(self):
        for document in (ROOT / "README.md", ROOT / "docs/tutorial/README.md"):
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
                self.assertTrue((document.parent / link).exists(), f"{document}: {link}")


if __name__ == "__main__":
    unittest.main()
