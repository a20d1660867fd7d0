"""What an application does with the Python driver, as a transcript. See ../README.md."""

import ssl
import sys
import threading
import time
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from cassandra import ConsistencyLevel, InvalidRequest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, SimpleStatement, tuple_factory
from cassandra.util import Date, Duration, Time

OPTIONS = dict(word.split("=", 1) for word in sys.argv[1:])
KEYSPACE = OPTIONS["keyspace"]
WARNINGS = OPTIONS.get("warnings") == "yes"  # may what makes the server warn be done?


def connect(keyspace=None):
    """With the driver's defaults, but for what the command line says."""
    arguments = {}
    if "ca" in OPTIONS:
        arguments["ssl_context"] = ssl.create_default_context(cafile=OPTIONS["ca"])
    if "username" in OPTIONS:
        arguments["auth_provider"] = PlainTextAuthProvider(OPTIONS["username"],
                                                           OPTIONS["password"])
    if "protocol" in OPTIONS:
        arguments["protocol_version"] = int(OPTIONS["protocol"])
    if "compression" in OPTIONS:
        none = OPTIONS["compression"] == "none"
        arguments["compression"] = False if none else OPTIONS["compression"]
    cluster = Cluster([OPTIONS["host"]], port=int(OPTIONS["port"]), connect_timeout=20,
                      control_connection_timeout=20, **arguments)
    session = cluster.connect(keyspace)
    session.row_factory = tuple_factory
    session.default_timeout = 60
    return session


def show(section, *values):
    print(f"{section}:", *values, flush=True)


def plain(value):
    """Text in one order."""
    name = type(value).__name__
    if name in ("SortedSet", "set"):
        return f"{{{', '.join(sorted(plain(one) for one in value))}}}"
    if name in ("OrderedMapSerializedKey", "dict"):
        return f"{{{', '.join(sorted(f'{plain(a)}: {plain(b)}' for a, b in value.items()))}}}"
    if isinstance(value, tuple) or isinstance(value, list):
        return f"[{', '.join(plain(one) for one in value)}]"
    return repr(value)


def rows(section, result):
    for row in result:
        show(section, plain(row))


def schema(session):
    for statement in Path(OPTIONS["schema"]).read_text().split(";\n"):
        if statement.strip() and (WARNINGS or "MATERIALIZED" not in statement):
            result = session.execute_async(statement.replace("dk.", f"{KEYSPACE}.").replace(
                "KEYSPACE dk", f"KEYSPACE {KEYSPACE}"))
            result.result()
            show("schema", statement.split("(")[0].split(" WITH")[0].strip(), result.warnings)
    keyspace = session.cluster.metadata.keyspaces[KEYSPACE]
    show("metadata", keyspace.export_as_string())
    show("metadata", sorted(keyspace.tables), sorted(keyspace.views), sorted(keyspace.indexes),
         sorted(keyspace.functions), sorted(keyspace.user_types))


ALL = {
    "k": "all", "an_ascii": "plain", "a_bigint": -2**63, "a_blob": bytes(range(256)),
    "a_boolean": True, "a_date": Date(date(1969, 7, 20)), "a_decimal": Decimal("-1.50"),
    "a_double": 1e-300, "a_duration": Duration(14, 3, 5000), "a_float": 0.5,
    "an_inet": "2001:db8::1", "an_int": -2**31, "a_smallint": 32767, "a_text": "naïve 東京 🎈",
    "a_time": Time(86_399_999_999_999), "a_timestamp": datetime(2024, 2, 29, 12, 0, 0, 123000),
    "a_timeuuid": UUID("50554d6e-29bb-11e5-b345-feff819cdc9f"), "a_tinyint": -128,
    "a_uuid": UUID("123e4567-e89b-42d3-a456-426614174000"), "a_varint": -(2**100),
    "a_list": ["b", "a", "b"], "a_set": {3, 1, 2}, "a_map": {"x": datetime(1970, 1, 1)},
    "nested": {"n": [{1, 2}, set()]}, "a_tuple": (1, None, 2.5),
    "an_udt": ("Main Street", [1, 2]), "frozen_udt": (None, []),
}


def types(session):
    insert = session.prepare(f"INSERT INTO {KEYSPACE}.everything ({', '.join(ALL)}) "
                             f"VALUES ({', '.join('?' * len(ALL))})")
    session.execute(insert, list(ALL.values()))
    session.execute(insert, ["nulls"] + [None] * (len(ALL) - 1))
    if session.cluster.protocol_version > 3:
        session.execute(insert, ["all", "changed"] + [UNSET_VALUE] * (len(ALL) - 2))
    empty = session.prepare(f"INSERT INTO {KEYSPACE}.everything (k, a_text, a_blob, a_list) "
                            "VALUES (?, ?, ?, ?)")
    session.execute(empty, ["empty", "", b"", []])
    session.execute(f"INSERT INTO {KEYSPACE}.everything (k, a_timeuuid, a_uuid, a_timestamp) "
                    "VALUES ('functions', now(), uuid(), toTimestamp(now()))")
    session.execute(f"UPDATE {KEYSPACE}.everything SET a_set = a_set + {{9}}, a_map['y'] = 5, "
                    "a_list = ['z'], an_udt.street = 'Side Street' WHERE k = 'all'")
    columns = session.execute(f"SELECT * FROM {KEYSPACE}.everything WHERE k = 'all'")
    show("types", columns.column_names)
    for key in ("all", "nulls", "empty"):
        rows("types", session.execute(f"SELECT {', '.join(ALL)} FROM {KEYSPACE}.everything "
                                      "WHERE k = %s", (key,)))
    rows("functions", session.execute(f"SELECT {KEYSPACE}.twice(21) FROM {KEYSPACE}.everything "
                                      "WHERE k = 'all'"))


def vectors(session):
    if OPTIONS.get("vectors") != "yes":
        return
    session.execute(f"CREATE TABLE {KEYSPACE}.vectors (k int PRIMARY KEY, v vector<float, 3>)")
    insert = session.prepare(f"INSERT INTO {KEYSPACE}.vectors (k, v) VALUES (?, ?)")
    session.execute(insert, (1, [1.0, 2.5, -3.0]))
    rows("vectors", session.execute(f"SELECT k, v FROM {KEYSPACE}.vectors"))


def batches(session):
    insert = session.prepare(f"INSERT INTO {KEYSPACE}.readings (device, moment, kind, note, value) "
                             "VALUES (?, ?, ?, ?, ?)")
    batch = BatchStatement()
    for number in range(40):
        batch.add(insert, (f"d{number % 3}", number, "fixed", f"note {number}", number / 4))
    batch.add(SimpleStatement(f"DELETE FROM {KEYSPACE}.readings WHERE device = 'd0' "
                              "AND moment = 3"))
    batch.add(SimpleStatement(f"UPDATE {KEYSPACE}.readings USING TTL 86400 SET note = %s "
                              "WHERE device = %s AND moment = %s"), ("for a day", "d1", 4))
    session.execute(batch)
    unlogged = BatchStatement(BatchType.UNLOGGED)
    for number in range(30 if WARNINGS else 3):
        unlogged.add(insert, (f"u{number}", 1, "k", "x" * 4000, None))
    result = session.execute_async(unlogged)
    result.result()
    show("batches", sorted(result.warnings or []))
    session.execute(f"BEGIN BATCH USING TIMESTAMP 1000 "
                    f"INSERT INTO {KEYSPACE}.readings (device, moment) VALUES ('old', 1); "
                    f"DELETE FROM {KEYSPACE}.readings WHERE device = 'd2' AND moment > 36; "
                    "APPLY BATCH")
    count = session.prepare(f"UPDATE {KEYSPACE}.visits SET hits = hits + ? WHERE page = ?")
    counters = BatchStatement(BatchType.COUNTER)
    counters.add(count, (5, "home"))
    counters.add(count, (-2, "away"))
    session.execute(counters)
    session.execute(count, (37, "home"))
    rows("batches", session.execute(f"SELECT * FROM {KEYSPACE}.visits"))
    rows("batches", session.execute(f"SELECT * FROM {KEYSPACE}.readings WHERE device = 'd1'"))
    rows("batches", session.execute(f"SELECT moment FROM {KEYSPACE}.readings WHERE note = "
                                    "'for a day'"))


def paging(session):
    statement = SimpleStatement(f"SELECT device, moment FROM {KEYSPACE}.readings", fetch_size=7)
    result = session.execute(statement)
    pages, total = 0, 0
    while True:
        pages, total = pages + 1, total + len(result.current_rows)
        if not result.has_more_pages:
            break
        result = session.execute(statement, paging_state=result.paging_state)
    show("paging", pages, "pages", total, "rows")


def conditions(session):
    insert = (f"INSERT INTO {KEYSPACE}.readings (device, moment, note) VALUES ('lwt', 1, %s) "
              "IF NOT EXISTS")
    update = session.prepare(f"UPDATE {KEYSPACE}.readings SET note = ? WHERE device = 'lwt' "
                             "AND moment = 1 IF note = ?")
    for result in (session.execute(insert, ("first",)), session.execute(insert, ("second",)),
                   session.execute(update, ("third", "first")),
                   session.execute(update, ("fourth", "first"))):
        show("conditions", result.column_names)
        rows("conditions", result)
    statement = SimpleStatement(f"SELECT note FROM {KEYSPACE}.readings WHERE device = 'lwt'",
                                consistency_level=ConsistencyLevel.SERIAL)
    rows("conditions", session.execute(statement))


def errors(session):
    for text in ("SELEC 1", f"SELECT nothing FROM {KEYSPACE}.readings",
                 f"INSERT INTO {KEYSPACE}.readings (device) VALUES ('x')",
                 f"SELECT * FROM {KEYSPACE}.readings WHERE value = 1",
                 f"CREATE TABLE {KEYSPACE}.visits (k int PRIMARY KEY)",
                 f"INSERT INTO {KEYSPACE}.nowhere (k) VALUES (1)", "USE nowhere_at_all",
                 f"UPDATE {KEYSPACE}.visits SET hits = hits + 'x' WHERE page = 'a'"):
        try:
            session.execute(text)
            show("errors", text, "no error")
        except Exception as error:  # compared with the other side's
            show("errors", type(error).__name__, str(error))
    try:
        session.prepare(f"SELECT nothing FROM {KEYSPACE}.visits")
    except InvalidRequest as error:
        show("errors", "prepare", str(error))


def large(session):
    insert = session.prepare(f"INSERT INTO {KEYSPACE}.everything (k, a_blob, a_text) "
                             "VALUES (?, ?, ?)")
    for size in (131_000, 131_072, 1_500_000):
        session.execute(insert, (f"large {size}", bytes(i % 251 for i in range(size)), "x" * size))
        [row] = session.execute(f"SELECT a_blob, a_text FROM {KEYSPACE}.everything WHERE k = %s",
                                (f"large {size}",))
        show("large", len(row[0]), sum(row[0]), len(row[1]))


def concurrent(session):
    insert = session.prepare(f"INSERT INTO {KEYSPACE}.readings (device, moment, value) "
                             "VALUES (?, ?, ?)")
    wait = [session.execute_async(insert, (f"c{n % 50}", n, n * 1.5)) for n in range(2000)]
    for one in wait:
        one.result()
    read = session.prepare(f"SELECT count(*), sum(value) FROM {KEYSPACE}.readings WHERE device = ?")
    for answer in [session.execute_async(read, (f"c{n}",)) for n in range(50)]:
        rows("concurrent", answer.result())


def trace_and_payload(session):
    result = session.execute(f"SELECT device FROM {KEYSPACE}.readings WHERE device = 'lwt'",
                             trace=True)
    rows("trace", result)
    trace = result.get_query_trace(max_wait_sec=20)
    show("trace", trace.request_type, len(trace.events) > 0)
    if session.cluster.protocol_version > 3:
        result = session.execute_async(f"INSERT INTO {KEYSPACE}.readings (device, moment) "
                                       "VALUES ('payload', 1)", custom_payload={"key": b"value"})
        result.result()
        show("payload", result.custom_payload)


def events(session):
    other = connect()
    other.execute(f"CREATE TABLE {KEYSPACE}.late (k int PRIMARY KEY)")
    other.execute(f"ALTER TABLE {KEYSPACE}.readings ADD added text")
    other.cluster.shutdown()
    deadline = time.monotonic() + 20
    tables = session.cluster.metadata.keyspaces[KEYSPACE].tables
    while "late" not in tables or "added" not in tables["readings"].columns:
        if time.monotonic() > deadline:
            return show("events", "not seen")
        time.sleep(0.1)
    show("events", "seen")


def keyspaces(session):
    if not WARNINGS:
        return
    named = connect(KEYSPACE)
    named.execute("INSERT INTO late (k) VALUES (1)")
    insert = named.prepare("INSERT INTO late (k) VALUES (?)")
    named.execute(insert, (2,))
    named.execute("BEGIN BATCH INSERT INTO late (k) VALUES (3); APPLY BATCH")
    rows("keyspace", named.execute("SELECT k FROM late"))
    named.cluster.shutdown()


def writes(session):
    """What a plain application does: for rings."""
    insert = session.prepare(f"INSERT INTO {KEYSPACE}.rows (k, v) VALUES (?, ?)")
    for number in range(int(OPTIONS["count"])):
        session.execute(insert, (number, "python"))
    show("writes", OPTIONS["count"], "nodes", len(session.cluster.metadata.all_hosts()))


def main():
    session = connect()
    if OPTIONS["job"] == "writes":
        writes(session)
    else:
        show("connected", "version", session.cluster.protocol_version, "nodes",
             len(session.cluster.metadata.all_hosts()))
        for step in (schema, types, vectors, batches, paging, conditions, errors, large,
                     concurrent, trace_and_payload, events, keyspaces):
            step(session)
    session.cluster.shutdown()
    leftover = [one for one in threading.enumerate() if not one.daemon]
    show("ended", len(leftover) == 1 or leftover)


main()
