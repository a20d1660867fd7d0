"""Copy and validation by the executors of a Spark cluster; no connector is needed.

    import dualwrite.spark

    done = dualwrite.spark.copy(spark, "10.0.0.1", "10.1.0.1", "shop", disable_source_tls=True)
    done.ranges.groupBy("table").sum("rows").show()

The ring is cut into ranges by the driver; tasks read and write them with the native library,
which must be on the executors as well. What is done stands in a ledger at the driver: a call that
is repeated does the rest. More: docs/spark.md.
"""

import json
import logging
import time
from collections import namedtuple

import dualwrite

_log = logging.getLogger("dualwrite")

_REPORTS = "task long, report string, differences string"
_RANGES = "table string, range_start long, range_end long, rows long, cells long"
_DIFFERENCES = "kind string, table string, token long, key string, columns string"


class Copied(namedtuple("Copied", "ranges rows cells seconds")):
    """What a copy came to. `ranges`: a DataFrame, one row for each token range that this call
    copied: table, range_start (excluded), range_end (included), rows, cells."""

    __slots__ = ()


class Validated(namedtuple("Validated", "equal differences counts rows seconds")):
    """What a validation came to. `differences`: a DataFrame of those that the reports describe
    (option `differences_max`, for each task): kind, table, token, key and columns as JSON.
    `counts`: all of them, by kind."""

    __slots__ = ()


def copy(spark, source, target, keyspace, *, tables=(), tasks=None, waves=None, rate=None,
         rate_bytes=None, rate_units=None, on_progress=None, **options):
    """Copies a keyspace, or some of its tables, and returns when all of it is there.

    `tasks`: how many run at a time, by default one for each core of the Spark cluster. `rate`,
    `rate_bytes`, `rate_units`: rows, bytes and the target's units per second of all tasks together,
    as whole numbers. `waves`: Spark jobs that the work is cut into; the ledger is written after
    each. `on_progress`: called with ranges done, ranges in all and rows
    copied. Other options are those of dualwrite.copy(); files that they name must be on the
    executors, the state directory is the driver's.

    Raises JobFailedError when a range could not be copied; the same call continues then.
    """
    began = time.monotonic()
    plan = dualwrite.plan(source, target, keyspace, tables=tables, **options)
    at_driver = {"state_dir": options.pop("state_dir", None)}
    options.pop("restart", None)  # the plan has forgotten what was done
    run = _Run(spark, plan, tasks, waves, on_progress)
    rates = {"rate": rate, "rate_bytes": rate_bytes, "rate_units": rate_units}
    work = {"source": source, "target": target, "keyspace": keyspace, "began": plan.began_us,
            **{name: max(1, whole // run.tasks) for name, whole in rates.items() if whole},
            **options}
    reports = []
    for wave in run.waves(work):
        for one in wave:
            dualwrite.merge(source, target, keyspace, one.report, **at_driver)
            reports.append(one.parsed)
    _raise_failed(reports)
    rows = [(table["table"], *done) for report in reports for table in report["tables"]
            for done in table.get("done", ())]
    return Copied(spark.createDataFrame(rows, _RANGES), sum(one["rows"] for one in reports),
                  sum(one["cells"] for one in reports), time.monotonic() - began)


def validate(spark, source, target, keyspace, *, tables=(), tasks=None, on_progress=None,
             **options):
    """Compares a keyspace, or some of its tables, on both sides, and returns what differs.
    Arguments as for copy(), options those of dualwrite.validate()."""
    began = time.monotonic()
    plan = dualwrite.plan(source, target, keyspace, job="validate", tables=tables, **options)
    options.pop("state_dir", None)
    run = _Run(spark, plan, tasks, None, on_progress)
    work = {"source": source, "target": target, "keyspace": keyspace, **options}
    reports, lines = [], []
    for wave in run.waves(work):
        for one in wave:
            reports.append(one.parsed)
            lines += one.differences.splitlines()
    _raise_failed(reports)
    counts = {}
    for report in reports:
        for kind, count in report["differences"].items():
            counts[kind] = counts.get(kind, 0) + count
    found = [(one["kind"], one["table"], one["token"], json.dumps(one["key"]),
              json.dumps(one["columns"])) for one in map(json.loads, lines)]
    equal = counts.get("total", 0) == sum(report["repaired"] for report in reports)
    return Validated(equal, spark.createDataFrame(found, _DIFFERENCES), counts,
                     sum(one["rows"] for one in reports), time.monotonic() - began)


_Report = namedtuple("_Report", "report parsed differences")


class _Run:
    """A plan, cut into Spark jobs one after the other, each of tasks side by side."""

    def __init__(self, spark, plan, tasks, waves, on_progress):
        self._spark, self._plan = spark, plan
        self.tasks = tasks or _parallelism(spark)
        self._ranges = [(table, *each) for table, ranges in plan.tables.items() for each in ranges]
        # Enough that a driver that dies loses little, few enough that tasks seldom wait for the
        # slowest of a wave.
        self._waves = waves or min(10, max(1, len(self._ranges) // (16 * self.tasks)))
        self._on_progress = on_progress or (lambda done, total, rows: _log.info(
            "%s: %d of %d ranges, %d rows", plan.job, done, total, rows))

    def waves(self, work):
        """For each wave its tasks' reports."""
        total, done, rows = len(self._ranges), 0, 0
        for number in range(self._waves):
            ranges = self._ranges[number::self._waves]
            if not ranges:
                continue
            found = self._wave(work, ranges)
            yield found
            done += len(ranges)
            rows += sum(one.parsed["rows"] for one in found)
            self._on_progress(done, total, rows)

    def _wave(self, work, ranges):
        # Four tasks for each core: one whose node is slow does not keep the others waiting long.
        count = min(4 * self.tasks, len(ranges))
        shares = [ranges[number::count] for number in range(count)]
        frame = self._spark.range(0, count, 1, count)
        rows = frame.mapInArrow(_Worker(self._plan.job, work, shares), _REPORTS).collect()
        return [_Report(row.report, json.loads(row.report), row.differences) for row in rows]


class _Worker:
    """What a task does; pickled, so that the executors find it by its module."""

    def __init__(self, job, work, shares):
        self._job, self._work, self._shares = job, work, shares

    def __call__(self, batches):
        import pyarrow

        for batch in batches:
            for task in batch.column(0).to_pylist():
                by_table = {}
                for table, start, end in self._shares[task]:
                    by_table.setdefault(table, []).append((start, end))
                found = [self._do(table, ranges) for table, ranges in by_table.items()]
                yield pyarrow.RecordBatch.from_pydict({
                    "task": pyarrow.array([task] * len(found), pyarrow.int64()),
                    "report": [json.dumps(report) for report, _ in found],
                    "differences": [lines for _, lines in found],
                })

    def _do(self, table, ranges):
        import os
        import tempfile

        start = dualwrite.copy if self._job == "copy" else dualwrite.validate
        place = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0]
        with tempfile.TemporaryDirectory(dir=place or None) as folder:
            with start(tables=table, token_range=[f"{a}..{b}" for a, b in ranges],
                       state_dir=folder, **self._work) as job:
                job.wait()
                report = job.report()
                # Another executor may have more luck with what was not even tried.
                if report["state"] == "failed" and not report["failed_ranges"]:
                    raise dualwrite.JobFailedError(job.error(), -12)
            lines = ""
            if "report_file" in report:
                with open(report["report_file"], encoding="utf-8") as file:
                    lines = file.read()
        return report, lines


def _parallelism(spark):
    """Cores of the Spark cluster, which a session of Spark Connect does not tell: the number of
    parts that it cuts things into."""
    from pyspark.sql import functions

    return spark.range(1_000_000).select(functions.spark_partition_id()).distinct().count()


def _raise_failed(reports):
    failed = [one for report in reports for one in report["failed_ranges"]]
    if failed:
        first = failed[0]
        raise dualwrite.JobFailedError(
            f"{len(failed)} ranges failed; the first is ({first['start']}, {first['end']}] of "
            f"{first['table']}: {first['error']}", -12)
