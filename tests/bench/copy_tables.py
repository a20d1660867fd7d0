"""The tables that tests/bench/copy copies, and how they are filled.

    python3 copy_tables.py '{"address": ..., "table": "narrow", "rows": ..., "part": 0, "parts": 2}'

loads one part of one table. Every row has two write times, and one of its cells expires: what a
copy has to keep.
"""

import json
import pathlib
import subprocess
import sys
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

KEYSPACE = "bench"
FIRST_WRITE_US = 1_700_000_000_000_000
TTL_S = 30 * 86_400
ROWS_A_PARTITION = 500
ROWS_A_BATCH = 50


@dataclass(frozen=True)
class Table:
    columns: str
    writes: tuple  # the statements that make one row
    values: object  # row number -> the bound values of each statement
    share: float = 1  # of the rows that were asked for


def _key(i: int, wide: bool) -> tuple:
    return (i // ROWS_A_PARTITION, i % ROWS_A_PARTITION) if wide else (i,)


def _row(wide: bool):
    def values(i: int) -> list[tuple]:
        at = FIRST_WRITE_US + i
        key = _key(i, wide)
        return [(*key, f"customer-{i:016}", f"Station Road {i % 9000:05}", i % 1000, at),
                (TTL_S, at + 1, f"flat {i:012}, back", *key)]
    return values


def _elements(i: int) -> list[tuple]:
    at = FIRST_WRITE_US + i
    return [(i, f"customer-{i:016}", {f"tag-{i % 7}", "old"}, {"items": i, "box": 1}, at),
            (TTL_S, at + 1, {f"late-{i % 5}"}, i)]


TABLES = {
    "narrow": Table(
        "k bigint PRIMARY KEY, a text, b text, c text, n int",
        ("INSERT INTO {} (k, a, b, n) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
         "UPDATE {} USING TTL ? AND TIMESTAMP ? SET c = ? WHERE k = ?"), _row(wide=False)),
    "wide": Table(
        "k bigint, r int, a text, b text, c text, n int, PRIMARY KEY (k, r)",
        ("INSERT INTO {} (k, r, a, b, n) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
         "UPDATE {} USING TTL ? AND TIMESTAMP ? SET c = ? WHERE k = ? AND r = ?"),
        _row(wide=True)),
    "collections": Table(
        "k bigint PRIMARY KEY, a text, s set<text>, m map<text, bigint>",
        ("INSERT INTO {} (k, a, s, m) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
         "UPDATE {} USING TTL ? AND TIMESTAMP ? SET s = s + ? WHERE k = ?"), _elements, 0.2),
}


def create(nodes: list, table: str) -> None:
    """Makes the table and an empty one of the same kind, at each node."""
    for node in nodes:
        node.query(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = "
                   "{'class': 'SimpleStrategy', 'replication_factor': 1}")
        for name in (table, f"{table}_empty"):
            node.query(f"CREATE TABLE {KEYSPACE}.{name} ({TABLES[table].columns})")


def load(python: str, address: str, table: str, rows: int, parts: int = 2) -> None:
    """Fills the table at one node, in as many processes as there are parts."""
    processes = [
        subprocess.Popen([python, __file__, json.dumps({
            "address": address, "table": table, "rows": rows, "part": part, "parts": parts})])
        for part in range(parts)]
    if any([process.wait() for process in processes]):
        raise SystemExit(f"table {table} could not be filled")


def _load_part(address: str, table: str, rows: int, part: int, parts: int) -> None:
    from cassandra.cluster import Cluster
    from cassandra.concurrent import execute_concurrent
    from cassandra.query import BatchStatement, BatchType

    found = TABLES[table]
    with Cluster([address], protocol_version=5) as cluster:
        session = cluster.connect(KEYSPACE)
        prepared = [session.prepare(text.format(table)) for text in found.writes]

        def batches():
            for first in range(part * ROWS_A_BATCH, rows, parts * ROWS_A_BATCH):
                batch = BatchStatement(BatchType.UNLOGGED)
                for i in range(first, min(first + ROWS_A_BATCH, rows)):
                    for statement, values in zip(prepared, found.values(i)):
                        batch.add(statement, values)
                yield batch, ()

        for _ in execute_concurrent(session, batches(), concurrency=16, results_generator=True,
                                    raise_on_first_error=True):
            pass


if __name__ == "__main__":
    _load_part(**json.loads(sys.argv[1]))
