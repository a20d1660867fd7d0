"""Tables read as raw bytes over the bed's own few words of CQL: no driver rounds or normalizes a
value, so -0.0 is not 0.0, 1.0 is not 1.00 and a value of no bytes is not null. Nothing here is ours
to test.
"""

import struct
from dataclasses import dataclass, field


@dataclass
class Table:
    key: list[str] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)  # name -> type
    counter: bool = False


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def tables_of(node, keyspace: str) -> list[str]:
    return sorted(name.decode() for (name,) in node.query(
        f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{keyspace}'"))


def describe(node, keyspace: str, table: str) -> Table:
    rows = node.query("SELECT column_name, kind, position, type FROM system_schema.columns "
                      f"WHERE keyspace_name = '{keyspace}' AND table_name = '{table}'")
    columns = [(name.decode(), kind.decode(), struct.unpack(">i", position)[0], kind_of.decode())
               for name, kind, position, kind_of in rows]
    order = {"partition_key": 0, "clustering": 1}
    keys = sorted((order[kind], position, name) for name, kind, position, _ in columns
                  if kind in order)
    cells = {name: text for name, kind, _, text in columns if kind not in order}
    return Table([name for _, _, name in keys], cells, "counter" in cells.values())


def is_multi_cell(text: str) -> bool:
    """A type of system_schema whose elements are cells of their own."""
    native = {"ascii", "bigint", "blob", "boolean", "counter", "date", "decimal", "double",
              "duration", "float", "inet", "int", "smallint", "text", "time", "timestamp",
              "timeuuid", "tinyint", "uuid", "varint"}
    return not (text in native or text.startswith(("frozen<", "tuple<", "vector<", "'")))


def read(node, keyspace: str, table: str, element_times: bool = True) -> dict[tuple, dict]:
    """Primary key -> column -> (value, write time, TTL) as bytes; null cells are left out."""
    about = describe(node, keyspace, table)
    selected = [identifier(name) for name in about.key]
    timed = []
    for name, kind in about.cells.items():
        selected.append(identifier(name))
        if about.counter or (is_multi_cell(kind) and not element_times):
            continue
        timed.append(name)
        selected += [f"writetime({identifier(name)})", f"ttl({identifier(name)})"]
    found = {}
    for row in node.query(f"SELECT {', '.join(selected)} FROM {identifier(keyspace)}."
                          f"{identifier(table)}"):
        values = iter(row)
        key = tuple(next(values) for _ in about.key)
        cells = {}
        for name in about.cells:
            value = next(values)
            times = (next(values), next(values)) if name in timed else (None, None)
            if value is not None:
                cells[name] = (value, *times)
        assert key not in found, f"{table}: the key {key} came twice"
        found[key] = cells
    return found


def differences(source: dict, target: dict, ttl_tolerance_s: int = 2, lists=()) -> list[str]:
    """What is not the same; of columns in `lists` the write times may differ."""
    found = []
    for key in sorted(source.keys() | target.keys(), key=repr):
        left, right = source.get(key), target.get(key)
        if left is None or right is None:
            found.append(f"{key}: {'only at the target' if left is None else 'missing'}")
            continue
        for name in sorted(left.keys() | right.keys()):
            one, other = left.get(name), right.get(name)
            if one is None or other is None or one[0] != other[0]:
                found.append(f"{key} {name}: {one} / {other}")
            elif one[1] != other[1] and name not in lists:
                found.append(f"{key} {name}: write times {one[1]} / {other[1]}")
            elif not _near(_ttls(one[2]), _ttls(other[2]), ttl_tolerance_s):
                found.append(f"{key} {name}: TTLs {_ttls(one[2])} / {_ttls(other[2])}")
    return found


def _ttls(value) -> list:
    """Of one cell, or of each element of a collection (a list<int> on the wire)."""
    if value is None:
        return [None]
    if len(value) == 4:
        return [struct.unpack(">i", value)[0]]
    out, at = [], 4
    while at < len(value):
        (size,) = struct.unpack_from(">i", value, at)
        at += 4
        out.append(struct.unpack_from(">i", value, at)[0] if size > 0 else None)
        at += max(size, 0)
    return out


def _near(one: list, other: list, tolerance_s: int) -> bool:
    if len(one) != len(other):
        return False
    return all((a is None and b is None) or
               (a is not None and b is not None and abs(a - b) <= tolerance_s)
               for a, b in zip(one, other))
