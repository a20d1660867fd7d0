"""What a validation has found, as Python objects and for Arrow."""

from ._errors import InvalidArgumentError


def read_differences(report):
    """The differences that the report's file describes, one dict each (docs/operations.md)."""
    import json  # not with dualwrite itself: it takes its time

    if "report_file" not in report:
        raise InvalidArgumentError("a copy finds no differences; ask a validation", -1)
    with open(report["report_file"], encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def arrow_table(differences):
    """A pyarrow.Table of them, a row each; the same columns whatever was found."""
    import pyarrow

    return pyarrow.Table.from_pylist([_flat(one) for one in differences], _schema(pyarrow))


def _schema(pyarrow):
    text, number, flag = pyarrow.string(), pyarrow.int64(), pyarrow.bool_()
    column = pyarrow.struct([
        ("column", text), ("kind", text),
        ("source_writetime_us", number), ("source_expires_s", number),
        ("target_writetime_us", number), ("target_expires_s", number),
    ])
    write = pyarrow.struct([
        ("write", text), ("columns", pyarrow.list_(text)), ("writetime_us", number),
        ("expires_s", number),
    ])
    return pyarrow.schema([
        ("kind", text), ("keyspace", text), ("table", text), ("token", number),
        ("key", pyarrow.map_(text, text)), ("columns", pyarrow.list_(column)),
        ("static", flag), ("unsettled", flag), ("repaired", flag), ("repair_failure", text),
        ("would_write", pyarrow.list_(write)),
    ])


def _flat(one):
    columns = [
        {"column": each["column"], "kind": each["kind"],
         **{f"{side}_{name}": each[side].get(name)
            for side in ("source", "target") for name in ("writetime_us", "expires_s")}}
        for each in one["columns"]]
    return {**one, "key": list(one["key"].items()), "columns": columns,
            "static": one.get("static", False), "unsettled": one.get("unsettled", False)}
