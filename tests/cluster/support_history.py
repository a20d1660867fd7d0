"""The history that is in the source before the migration: rows that follow from their number.

    python3 support_history.py '{"address": ..., "rows": ..., "part": 0, "parts": 2}'

loads one part of it. The application's model starts with the same rows, so that it can say of each
whether it was copied well.
"""

import json
import sys
import time
from datetime import datetime, timedelta
from decimal import Decimal

import support
from support_model import Model

KEYSPACE = "migrationkeyspace"
ROWS_A_PARTITION = 20
_FIRST_WRITE_US = 1_650_000_000_000_000  # in 2022; each row a little later
_STREETS = ("Main Street", "Station Road", "Alte Gasse", "Rue de la Paix", "Kanda-dori")

INSERT = {
    "users": "INSERT INTO migrationkeyspace.users (name, userid, address, phone) "
             "VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
    "users_ttl": "INSERT INTO migrationkeyspace.users (name, userid, address, phone) "
                 "VALUES (?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
    "orders": "INSERT INTO migrationkeyspace.orders "
              "(customer, day, number, total, note, tags, items) "
              "VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
    "readings": "INSERT INTO migrationkeyspace.readings (sensor, month, at, value, quality) "
                "VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
}


def partitions(rows: int, part: int = 0, parts: int = 1):
    """Numbers of the partitions of one part. A partition has ROWS_A_PARTITION rows."""
    return range(part, rows // ROWS_A_PARTITION, parts)


def writes(partition: int) -> list[tuple]:
    """(statement, table, key, clustering, values, ttl_s, writetime_us) of a partition's rows."""
    kind = ("users", "users", "users", "orders", "readings")[partition % 5]
    make = {"users": _user, "orders": _order, "readings": _reading}[kind]
    return [make(partition, number) for number in range(ROWS_A_PARTITION)]


def bound(write: tuple) -> list:
    """The values of a write in the order of its statement's markers."""
    _, _, key, clustering, values, ttl_s, writetime_us = write
    return [*key, *clustering, *values.values(), writetime_us, *([ttl_s] if ttl_s else [])]


def _writetime(partition: int, number: int) -> int:
    return _FIRST_WRITE_US + (partition * ROWS_A_PARTITION + number) * 1_000_003


def _user(partition: int, number: int) -> tuple:
    values = {"address": f"{partition % 900 + 1} {_STREETS[number % 5]}",
              "phone": 5_550_000 + partition * 7 + number}
    # The write is old, its expiry is not: TTLs count from when the server gets the write.
    ttl_s = 3600 + number * 600 if number % 10 == 7 else None
    return ("users_ttl" if ttl_s else "users", "users", (f"user-{partition:05}",), (number,),
            values, ttl_s, _writetime(partition, number))


def _order(partition: int, number: int) -> tuple:
    values = {"total": Decimal(partition * 100 + number) / 100,
              "note": f"order {number}" if number % 3 else None,
              "tags": {f"tag{number % 4}", "old"},
              "items": {f"item{number}": number + 1, "box": 1}}
    return ("orders", "orders", (f"user-{partition:05}",), (number // 5, number), values, None,
            _writetime(partition, number))


def _reading(partition: int, number: int) -> tuple:
    at = datetime(2022, 5, 1) + timedelta(minutes=number * 15)
    return ("readings", "readings", (partition, 202205), (at,),
            {"value": partition + number / 8, "quality": number % 4}, None,
            _writetime(partition, number))


def model(rows: int, part: int = 0, parts: int = 1) -> Model:
    """What the source holds when the history is loaded."""
    found = Model()
    for partition in partitions(rows, part, parts):
        for _, table, key, clustering, values, ttl_s, writetime_us in writes(partition):
            found.insert(table, key, clustering, values, ttl_s, writetime_us)
    return found


def load(session, rows: int, part: int, parts: int, report) -> None:
    """Writes a part: one unlogged batch for each partition, 64 in flight."""
    from cassandra.concurrent import execute_concurrent
    from cassandra.query import BatchStatement, BatchType

    prepared = {name: session.prepare(text) for name, text in INSERT.items()}
    done = 0

    def batches():
        for partition in partitions(rows, part, parts):
            batch = BatchStatement(BatchType.UNLOGGED)
            for write in writes(partition):
                batch.add(prepared[write[0]], bound(write))
            yield batch, None

    began = time.monotonic()
    for _ in execute_concurrent(session, batches(), concurrency=64, results_generator=True):
        done += ROWS_A_PARTITION
        if time.monotonic() - began > 0.5:
            report(done)
            began = time.monotonic()
    report(done)




def main() -> None:
    options = json.loads(sys.argv[1])
    cluster = support.cluster(options["address"], options.get("port", 9042))
    with cluster:
        load(cluster.connect(), options["rows"], options["part"], options["parts"],
             lambda done: print(json.dumps({"rows": done}), flush=True))


if __name__ == "__main__":
    main()
