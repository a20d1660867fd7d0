"""An environment with PySpark, and tests/cluster/spark_job.py run in it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support import ROOT
from testbed import fetch

VERSION = os.environ.get("DUALWRITE_PYSPARK", "4.0.1")
PARTS = [f"pyspark=={VERSION}", "pyarrow==21.0.0", "pandas==2.3.3"]
CONNECT = ["grpcio==1.76.0", "grpcio-status==1.76.0", "googleapis-common-protos==1.72.0",
           "zstandard==0.25.0"]


def module() -> Path:
    """Where `pip install .` has put dualwrite: DUALWRITE_MODULE, or the environment of the suite
    `python`."""
    given = os.environ.get("DUALWRITE_MODULE")
    folders = [Path(given)] if given else (ROOT / "build/python-environment").glob(
        "lib/python*/site-packages")
    for folder in folders:
        if (folder / "dualwrite").is_dir():
            return folder
    raise SystemExit("the Python module is not built: tests/run --only python, or set "
                     "DUALWRITE_MODULE to the site-packages that have it")


def python() -> Path:
    name = f"spark-{VERSION}-python{sys.version_info.major}.{sys.version_info.minor}"

    def bring(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "-q",
                        "--disable-pip-version-check", *PARTS, *CONNECT], check=True)

    return fetch.part(name, bring) / "bin/python"


def remove_work() -> None:
    """What executors of local clusters leave in Spark's own folder."""
    for folder in python().parents[1].glob("lib/python*/site-packages/pyspark/work"):
        shutil.rmtree(folder)


def start(master: str, source, target, folder: Path, *jobs: dict) -> subprocess.Popen:
    """Runs the jobs, arguments of dualwrite.spark.copy() or .validate(); finish() waits."""
    arguments = {"master": master, "source": f"{source.address}:{source.port}",
                 "target": f"{target.address}:{target.port}", "folder": str(folder),
                 "module": str(module()), "jobs": jobs}
    folder.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "localhost",
                    "PYSPARK_PYTHON": str(python())}
    return subprocess.Popen(
        [str(python()), str(ROOT / "tests/cluster/spark_job.py"), json.dumps(arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=folder, env=environment, start_new_session=True)


def finish(process: subprocess.Popen, limit_s: float = 240) -> list[dict]:
    """What the jobs came to, as spark_job.py prints it."""
    said, errors = process.communicate(timeout=limit_s)
    if process.returncode != 0:
        raise AssertionError(f"ended with {process.returncode}:\n{errors[-6000:]}")
    return json.loads(said.splitlines()[-1])
