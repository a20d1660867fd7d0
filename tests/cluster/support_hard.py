"""What an application writes that cannot simply be repeated: lightweight transactions, lists,
counters, functions of the server, write times that tie or go back, default TTLs, large values.

Two threads write to the same few partitions. Nobody keeps a record: a write that failed may have
happened or not. What must hold is that both sides agree in the end.
"""

import random
import threading
import time

from support import cluster
from support_compare import compare_tables

from cassandra import ConsistencyLevel
from cassandra.query import BatchStatement, BatchType, SimpleStatement

KEYSPACE = "hard"
_TABLES = (
    f"CREATE TABLE {KEYSPACE}.transactions (k int, c int, v int, s text static, "
    "PRIMARY KEY (k, c))",
    f"CREATE TABLE {KEYSPACE}.lists (k int, c int, l list<int>, v int, PRIMARY KEY (k, c))",
    f"CREATE TABLE {KEYSPACE}.counters (k int, c int, n counter, PRIMARY KEY (k, c))",
    f"CREATE TABLE {KEYSPACE}.functions (k uuid, id timeuuid, at timestamp, n int, "
    "PRIMARY KEY (k, id))",
    f"CREATE TABLE {KEYSPACE}.ties (k int PRIMARY KEY, v int, w text)",
    f"CREATE TABLE {KEYSPACE}.expiring (k int PRIMARY KEY, v int) WITH default_time_to_live = 4000",
    f"CREATE TABLE {KEYSPACE}.large (k int PRIMARY KEY, v blob)",
)
_EXACT = ("transactions", "functions", "ties", "expiring", "large")
# Of an element of a list nobody can choose the time at which it was written (its cell's path), and
# a counter's is that of the last increment.
_BY_VALUE = ("lists", "counters")


def hard_schema(replicas: int = 1) -> list[str]:
    return [f"CREATE KEYSPACE {KEYSPACE} WITH replication = "
            f"{{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}", *_TABLES]


class HardWork:
    def __init__(self, address: str, port: int, seed: int, threads: int = 2,
                 level: int = ConsistencyLevel.LOCAL_ONE):
        self.acknowledged = 0
        self.failed = 0
        self._address, self._port, self._seed = address, port, seed
        self._level = level
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True)
                         for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        if self._errors:
            raise self._errors[0]

    def _run(self, number: int) -> None:
        try:
            self._write(random.Random(f"{self._seed}-hard-{number}"), number)
        except BaseException as error:  # raised by stop()
            self._errors.append(error)

    def _write(self, chance: random.Random, number: int) -> None:
        from cassandra import (InvalidRequest, OperationTimedOut, ReadTimeout, Unavailable,
                               WriteFailure, WriteTimeout)
        from cassandra.cluster import NoHostAvailable
        from cassandra.connection import ConnectionException
        from cassandra.protocol import ErrorMessage
        expected = (OperationTimedOut, NoHostAvailable, ConnectionException, WriteTimeout,
                    ReadTimeout, Unavailable, WriteFailure)
        with cluster(self._address, self._port, protocol_version=5 - number % 2) as connected:
            connected.profile_manager.default.consistency_level = self._level
            session = connected.connect()
            kinds = [self._transaction, self._list, self._counter, self._function, self._tie,
                     self._expiring, self._batch, self._large]
            while not self._stop.is_set():
                [kind] = chance.choices(kinds, [4, 4, 4, 4, 6, 4, 2, 1])
                try:
                    kind(session, chance)
                except expected:
                    self._count(failed=1)
                    time.sleep(0.05)
                except ErrorMessage as error:
                    if error.code != 0x1700:  # CAS_WRITE_UNKNOWN, which the driver has no class for
                        raise
                    self._count(failed=1)
                except InvalidRequest as error:
                    # A list that has no such place.
                    text = str(error)
                    if not any(one in text for one in ("out of bound", "which is null")):
                        raise
                else:
                    self._count(acknowledged=1)

    def _count(self, acknowledged: int = 0, failed: int = 0) -> None:
        with self._lock:
            self.acknowledged += acknowledged
            self.failed += failed

    @staticmethod
    def _transaction(session, chance) -> None:
        k, c, v, old = (chance.randrange(n) for n in (20, 3, 100, 100))
        where = f"WHERE k = {k} AND c = {c}"
        session.execute(chance.choice((
            f"INSERT INTO {KEYSPACE}.transactions (k, c, v) VALUES ({k}, {c}, {v}) IF NOT EXISTS",
            f"UPDATE {KEYSPACE}.transactions SET v = {v} {where} IF EXISTS",
            f"UPDATE {KEYSPACE}.transactions SET v = {v} {where} IF v < {old}",
            f"UPDATE {KEYSPACE}.transactions SET v = null {where} IF v > {old}",
            f"DELETE FROM {KEYSPACE}.transactions {where} IF EXISTS",
            f"BEGIN BATCH INSERT INTO {KEYSPACE}.transactions (k, c, v) VALUES ({k}, 0, {v}) "
            f"IF NOT EXISTS; UPDATE {KEYSPACE}.transactions SET s = 'x{v}' WHERE k = {k}; "
            "APPLY BATCH",
            # Plain ones in between: they must win on both sides, or lose on both.
            f"INSERT INTO {KEYSPACE}.transactions (k, c, v) VALUES ({k}, {c}, {v})")))

    @staticmethod
    def _list(session, chance) -> None:
        k, c, v = (chance.randrange(n) for n in (10, 2, 10))
        change = chance.choice((f"SET l = l + [{v}]", f"SET l = [{v}] + l", f"SET l = l - [{v}]",
                                f"SET l[0] = {v}", f"SET l = [{v}, 1, 2]", f"SET v = {v}"))
        text = f"UPDATE {KEYSPACE}.lists {change} WHERE k = {k} AND c = {c}"
        if chance.random() < 0.15:
            text = chance.choice((f"DELETE l[1] FROM {KEYSPACE}.lists WHERE k = {k} AND c = {c}",
                                  f"DELETE FROM {KEYSPACE}.lists WHERE k = {k} AND c = {c}",
                                  f"DELETE FROM {KEYSPACE}.lists WHERE k = {k}"))
        session.execute(text)

    @staticmethod
    def _counter(session, chance) -> None:
        k, c, n = chance.randrange(10), chance.randrange(2), chance.randrange(1, 9)
        text = f"UPDATE {KEYSPACE}.counters SET n = n + {n} WHERE k = {k} AND c = {c}"
        if chance.random() < 0.2:
            batch = BatchStatement(BatchType.COUNTER)
            batch.add(SimpleStatement(text))
            batch.add(SimpleStatement(f"UPDATE {KEYSPACE}.counters SET n = n - 1 WHERE k = {k} "
                                      "AND c = 3"))
            session.execute(batch)
        else:
            session.execute(text)

    @staticmethod
    def _function(session, chance) -> None:
        text = (f"INSERT INTO {KEYSPACE}.functions (k, id, at, n) VALUES (uuid(), now(), "
                "toTimestamp(now()), ")
        if chance.random() < 0.5:
            session.execute(text + "1)")
        else:
            session.execute(session.prepare(text + "?)"), (chance.randrange(100),))

    @staticmethod
    def _tie(session, chance) -> None:
        # Other rows after a while: in the end the largest time of each is a deletion's.
        first = 30 * (int(time.monotonic()) // 20)
        k, v, at = first + chance.randrange(30), chance.randrange(100), chance.randrange(50)
        session.execute(chance.choice((
            f"UPDATE {KEYSPACE}.ties USING TIMESTAMP {at} SET v = {v}, w = 'w{v}' WHERE k = {k}",
            f"DELETE FROM {KEYSPACE}.ties USING TIMESTAMP {at} WHERE k = {k}",
            f"DELETE v FROM {KEYSPACE}.ties USING TIMESTAMP {at} WHERE k = {k}",
            f"INSERT INTO {KEYSPACE}.ties (k, v) VALUES ({k}, {v}) USING TIMESTAMP {at}")))

    @staticmethod
    def _expiring(session, chance) -> None:
        k, v = chance.randrange(200), chance.randrange(100)
        ttl = chance.choice(("", "", "USING TTL 1", "USING TTL 2", "USING TTL 0",
                             "USING TTL 5000"))
        session.execute(f"INSERT INTO {KEYSPACE}.expiring (k, v) VALUES ({k}, {v}) {ttl}")

    @staticmethod
    def _batch(session, chance) -> None:
        batch = BatchStatement(chance.choice((BatchType.LOGGED, BatchType.UNLOGGED)))
        for _ in range(4):
            batch.add(SimpleStatement(f"INSERT INTO {KEYSPACE}.expiring (k, v) VALUES "
                                      f"({chance.randrange(200)}, {chance.randrange(9)})"))
        session.execute(batch)

    @staticmethod
    def _large(session, chance) -> None:
        session.execute(f"INSERT INTO {KEYSPACE}.large (k, v) VALUES (%s, %s)",
                        (chance.randrange(20), chance.randbytes(chance.randrange(1, 300_000))))


def hard_differences(source, target) -> list[str]:
    """Of all tables, whether there are rows at all included."""
    found = compare_tables(source, target, KEYSPACE, list(_EXACT))
    found += compare_tables(source, target, KEYSPACE, list(_BY_VALUE), values_only=True)
    for table in (*_EXACT, *_BY_VALUE):
        if source.execute(f"SELECT count(*) FROM {KEYSPACE}.{table}").one()[0] == 0:
            found.append(f"{table} is empty: nothing was compared")
    return found
