"""Runs jobs of dualwrite.spark, one after the other, in a session of its own, and prints what came
of each as JSON.

Masters: what Spark takes, `local[2,4]` or `local-cluster[2,1,1024]`; `connect` is a session of
Spark Connect with a server of two cores.
"""

import json
import os
import sys
import tarfile
from pathlib import Path

ARGUMENTS = json.loads(sys.argv[1])
MODULE, FOLDER = Path(ARGUMENTS["module"]), Path(ARGUMENTS["folder"])
sys.path.insert(0, str(MODULE))


def archive() -> str:
    """The module as the executors get it."""
    path = FOLDER / "dualwrite.tar.gz"
    with tarfile.open(path, "w:gz") as packed:
        packed.add(MODULE / "dualwrite", "dualwrite")
    return f"{path}#dualwrite-module"


def session():
    from pyspark.sql import SparkSession

    master = ARGUMENTS["master"]
    if master == "connect":
        os.environ["PYTHONPATH"] = str(MODULE)  # its server is made from this process
        return SparkSession.builder.remote("local[2]").getOrCreate()
    builder = SparkSession.builder.master(master).config("spark.ui.enabled", "false")
    if master.startswith("local-cluster"):
        builder = (builder.config("spark.archives", archive())
                   .config("spark.executorEnv.PYTHONPATH", "dualwrite-module"))
    else:
        os.environ["PYTHONPATH"] = str(MODULE)
    return builder.getOrCreate()


def run(spark, job: str, keyspace: str, **options) -> dict:
    import dualwrite.spark

    options = {"disable_source_tls": True, "disable_target_tls": True,
               "state_dir": str(FOLDER / "state"), **options}
    seen = []
    try:
        done = getattr(dualwrite.spark, job)(
            spark, ARGUMENTS["source"], ARGUMENTS["target"], keyspace,
            on_progress=lambda *numbers: seen.append(numbers), **options)
    except dualwrite.Error as error:
        return {"error": str(error), "kind": type(error).__name__}
    frame = done.ranges if job == "copy" else done.differences
    found = {name: value for name, value in done._asdict().items() if not hasattr(value, "collect")}
    return found | {"progress": seen, "frame": [row.asDict() for row in frame.collect()]}


def main() -> None:
    spark = session()
    print(json.dumps([run(spark, **job) for job in ARGUMENTS["jobs"]]))
    spark.stop()


if __name__ == "__main__":
    main()
