"""What there is to do, range by range, for those who spread it over machines themselves."""

from collections import namedtuple

from . import _dualwrite
from ._errors import InvalidArgumentError
from ._options import configure
from ._running import copy, validate


class Plan(namedtuple("Plan", "job keyspace tables began_us")):
    """What a copy or a validation has to work on.

    `tables`: for each table the token ranges that are not done yet, (start, end) with `start`
    excluded and `end` included, in an order that spreads the load over the source's nodes.
    `began_us`: when a copy was begun; its parts are given it as the option `began`. 0 for a
    validation.
    """

    __slots__ = ()


def plan(source, target, keyspace, *, job="copy", tables=(), log=None, use_environment=False,
         **options):
    """What `job`, "copy" or "validate", would do with the same arguments. Connects, and writes
    nothing but, for a copy, the ledger: merge() adds to it what others have done."""
    if job not in ("copy", "validate"):
        raise InvalidArgumentError(f"job is 'copy' or 'validate', not {job!r}", -1)
    start = copy if job == "copy" else validate
    with start(source, target, keyspace, tables=tables, log=log, use_environment=use_environment,
               **options, plan=True) as running:
        report = running.result()
    found = {one["table"]: [tuple(each) for each in one["plan"]] for one in report["tables"]}
    return Plan(job, keyspace, found, report.get("began_us", 0))


def merge(source, target, keyspace, report, *, use_environment=False, **options):
    """Adds to the ledger of a copy what the report of a job elsewhere says is done; that job was
    given some of the plan's ranges as the option `token_range`. A report may come twice.
    `source`, `target` and `state_dir` say which ledger: those that plan() was given."""
    conf = configure("copy", {"source": source, "target": target, "keyspace": keyspace, **options},
                     None, use_environment)
    _dualwrite.merge(conf, report if isinstance(report, str) else _to_json(report))


def _to_json(value):
    import json  # not with dualwrite itself: it takes its time

    return json.dumps(value)
