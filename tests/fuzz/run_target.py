#!/usr/bin/env python3
"""A short run of one libFuzzer target: run_target.py TARGET FUZZ_SEEDS CORPUS SECONDS.

Begins with CORPUS.zip of the repository and the built-in seeds; what it finds goes to a folder that
is deleted, a finding to the working directory.
"""

import pathlib
import subprocess
import sys
import tempfile
import zipfile


def main() -> int:
    target, seeds, corpus, seconds = sys.argv[1:]
    name = pathlib.Path(corpus).name
    with tempfile.TemporaryDirectory(prefix="dualwrite-fuzz-") as folder:
        subprocess.run([seeds, folder], check=True)
        found = pathlib.Path(folder, "found")
        found.mkdir()
        kept = pathlib.Path(corpus).with_suffix(".zip")
        if kept.is_file():
            with zipfile.ZipFile(kept) as archive:
                archive.extractall(pathlib.Path(folder, "kept"))
        begin = [path for path in (pathlib.Path(folder, "kept"), pathlib.Path(folder, name))
                 if path.is_dir()]
        return subprocess.run([target, f"-max_total_time={seconds}", "-timeout=20",
                               f"-artifact_prefix={name}-", found, *begin], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
