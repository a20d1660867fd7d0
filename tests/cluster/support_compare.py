"""Both sides read cell by cell with the Python driver, and compared. Nothing here is ours to test.

A row marker cannot be seen by CQL except as a row whose cells are all null.
"""

import math
import time
from dataclasses import dataclass, field

from cassandra.cluster import Session
from cassandra.protocol import _ProtocolHandler
from cassandra.query import SimpleStatement

PAGE_ROWS = 2000


@dataclass(slots=True)
class Seen:
    value: object
    writetime_us: object  # of a collection: those of its elements, in their order
    ttl_s: object
    expiry_s: list  # of each element: None, or the earliest and latest moment that the TTL can mean


@dataclass
class Snapshot:
    clustering: list[str] = field(default_factory=list)
    rows: dict[tuple, dict[str, Seen]] = field(default_factory=dict)


def snapshot(session: Session, keyspace: str, table: str, where: str = "",
             untold=lambda _: False) -> Snapshot:
    """Every row of a table, by its primary key; null cells are left out. Of the columns for which
    `untold` is true nobody asks the write time."""
    # The driver's faster handler cannot decode a list with nulls: ttl() of a collection some of
    # whose elements stay.
    session.client_protocol_handler = _ProtocolHandler
    about = session.cluster.metadata.keyspaces[keyspace].tables[table]
    key = [column.name for column in about.primary_key]
    found = Snapshot([column.name for column in about.clustering_key])
    values = [name for name in about.columns if name not in key]
    selected = [f'"{name}"' for name in key]
    for name in values:
        told = not untold(about.columns[name])
        selected += [f'"{name}"', *(f'{one}("{name}")' for one in ("writetime", "ttl") if told)]
    statement = SimpleStatement(f"SELECT {', '.join(selected)} FROM {keyspace}.{table} {where}",
                                fetch_size=PAGE_ROWS)
    for row, began, ended in _pages(session, statement):
        cells, rest = {}, iter(row[len(key):])
        for name in values:
            told = not untold(about.columns[name])
            value = next(rest)
            written, ttl = (next(rest), next(rest)) if told else (None, None)
            if value is not None:
                cells[name] = Seen(_plain(value), _plain(written), _plain(ttl),
                                   _expiry(ttl, began, ended))
        found.rows[tuple(_plain(part) for part in row[:len(key)])] = cells
    return found


def differences(source: Snapshot, target: Snapshot, limit: int = 20) -> list[str]:
    """What is not the same on both sides: rows, values, write times, TTLs (within 1 s)."""
    found = []
    for key in source.rows.keys() | target.rows.keys():
        left, right = source.rows.get(key), target.rows.get(key)
        if left is None:
            found.append(f"{key}: only at the target")
        elif right is None:
            found.append(f"{key}: missing at the target")
        elif left != right:
            found += [f"{key} {text}" for text in _row_differences(left, right)]
        if len(found) >= limit:
            return [*found, "and perhaps more"]
    return found


def without_times(found: Snapshot) -> Snapshot:
    """Values alone: of lists and counters only they are the same on both sides."""
    return Snapshot(found.clustering, {
        key: {name: Seen(seen.value, None, None, []) for name, seen in row.items()}
        for key, row in found.rows.items()})


def compare_tables(source: Session, target: Session, keyspace: str, tables=None,
                   values_only: bool = False, untold=lambda _: False) -> list[str]:
    """Differences over whole tables; all of the keyspace unless some are named."""
    source.cluster.refresh_schema_metadata()
    target.cluster.refresh_schema_metadata()
    if keyspace not in target.cluster.metadata.keyspaces:
        return [f"keyspace {keyspace} is missing at the target"]
    names = tables or sorted(source.cluster.metadata.keyspaces[keyspace].tables)
    there = set(target.cluster.metadata.keyspaces[keyspace].tables)
    found = [f"table {name} is missing at the target" for name in names if name not in there]
    for name in names:
        if name in there:
            left, right = (snapshot(session, keyspace, name, untold=untold)
                           for session in (source, target))
            if values_only:
                left, right = without_times(left), without_times(right)
            found += [f"{name} {text}" for text in differences(left, right)]
    return found


def _row_differences(left: dict[str, Seen], right: dict[str, Seen]) -> list[str]:
    found = []
    for name in left.keys() | right.keys():
        one, other = left.get(name), right.get(name)
        if one is None or other is None:
            found.append(f"{name}: {one and one.value!r} / {other and other.value!r}")
        elif one.value != other.value:
            found.append(f"{name}: value {one.value!r} / {other.value!r}")
        elif one.writetime_us != other.writetime_us:
            found.append(f"{name}: written at {one.writetime_us} / {other.writetime_us}")
        elif not _same_expiry(one.expiry_s, other.expiry_s):
            found.append(f"{name}: expires in {one.ttl_s} / {other.ttl_s}, read within "
                         f"{one.expiry_s} / {other.expiry_s}")
    return found


def _same_expiry(one: list, other: list) -> bool:
    if len(one) != len(other):
        return False
    for left, right in zip(one, other):
        if left is None or right is None:
            if left is not right:
                return False
        elif left[0] > right[1] + 1 or right[0] > left[1] + 1:
            return False
    return True


def _expiry(ttl, began: float, ended: float) -> list:
    """A TTL counts from the server's second in which the page was read."""
    each = ttl if isinstance(ttl, list) else [ttl]
    return [None if one is None else (math.floor(began) + one, math.floor(ended) + one)
            for one in each]


def _pages(session: Session, statement):
    """Each row with the time before and after its page was read."""
    state = None
    while True:
        began = time.time()
        result = session.execute(statement, timeout=60, paging_state=state)
        rows, state = result.current_rows, result.paging_state
        ended = time.time()
        for row in rows:
            yield row, began, ended
        if not state:
            return


def _plain(value):
    """Collections of the driver as Python's own, so that equality means equality."""
    if value is None or isinstance(value, (str, bytes, int, float)):
        return value
    name = type(value).__name__
    if name == "SortedSet":
        return {_plain(one) for one in value}
    if name in ("OrderedMapSerializedKey", "OrderedMap", "dict"):
        return {_plain(one): _plain(other) for one, other in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
