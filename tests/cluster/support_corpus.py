"""Rows that copiers get wrong, as CQL: the schemas for both sides, load() for the source.

Cases follow the list of nasty data in docs/testing.md: every type at its limits, several write
times and expiries in a row, static columns, rows without cells, tombstones, wide partitions in
descending order, quoted names, collections with elements of different age.
"""

from cassandra.concurrent import execute_concurrent

KEYSPACE = "corpus"

NATIVE = ("ascii", "bigint", "blob", "boolean", "date", "decimal", "double", "duration", "float",
          "inet", "int", "smallint", "text", "time", "timestamp", "timeuuid", "tinyint", "uuid",
          "varint")
# Literals of each type: limits, and what is equal to some eyes and different in bytes.
VALUES = {
    "ascii": ["''", "'a'", "'~ ''quoted'' '"],
    "bigint": ["0", "-9223372036854775808", "9223372036854775807"],
    "blob": ["0x", "0x00", "0xff00fe"],
    "boolean": ["true", "false"],
    "date": ["'1970-01-01'", "0", "4294967295"],
    "decimal": ["1.0", "1.00", "-0.000000000000000000000000000001",
                "blobasdecimal(0xfffffe7001)", "0"],
    "double": ["0.0", "blobasdouble(0x8000000000000000)", "blobasdouble(0x7ff8000000000000)",
               "blobasdouble(0x7ff0000000000000)", "blobasdouble(0xfff0000000000000)",
               "1.7976931348623157E308", "0.1"],
    "duration": ["1mo2d3ns", "-1y", "0ns"],
    "float": ["0.0", "blobasfloat(0x80000000)", "blobasfloat(0x7fc00000)",
              "blobasfloat(0xff800000)", "3.4028235E38", "0.1"],
    "inet": ["'0.0.0.0'", "'255.255.255.255'", "'::1'", "'2001:db8::ff00:42:8329'"],
    "int": ["0", "-2147483648", "2147483647"],
    "smallint": ["0", "-32768", "32767"],
    "text": ["''", "'ü€𐍈'", "'line\nbreak'", "'a\u0000b'", "'it''s'"],
    "time": ["'00:00:00.000000000'", "'23:59:59.999999999'"],
    "timestamp": ["0", "-62135596800001", "253402300800000", "9223372036854775807",
                  "-9223372036854775808"],
    "timeuuid": ["00000000-0000-1000-8080-808080808080", "ffffffff-ffff-1fff-bf7f-7f7f7f7f7f7f",
                 "50554d6e-29bb-11e5-b345-feff819cdc9f"],
    "tinyint": ["0", "-128", "127"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
             "123e4567-e89b-42d3-a456-426614174000", "50554d6e-29bb-11e5-b345-feff819cdc9f"],
    "varint": ["0", "-1", "127", "128", "-128", "-129", "9" * 60, "-" + "9" * 60],
}
# Types whose values may be empty without being null.
EMPTY_ALLOWED = ("bigint", "boolean", "double", "int", "timestamp", "uuid", "varint", "inet")

SCHEMA = [
    f"CREATE KEYSPACE {KEYSPACE} WITH replication = "
    "{'class': 'SimpleStrategy', 'replication_factor': 1}",
    f"CREATE TYPE {KEYSPACE}.point (x int, y int, note text)",
    f"CREATE TYPE {KEYSPACE}.\"Odd Type\" (\"A Field\" int, b frozen<point>)",
    "CREATE TABLE corpus.types (id int PRIMARY KEY, "
    + ", ".join(f"c_{kind} {kind}" for kind in NATIVE) + ")",
    "CREATE TABLE corpus.frozen (id int PRIMARY KEY, l frozen<list<int>>, s frozen<set<text>>, "
    "m frozen<map<text, frozen<list<int>>>>, t tuple<int, text, double>, u frozen<point>, "
    "o frozen<\"Odd Type\">)",
    "CREATE TABLE corpus.times (k int, c int, a text, b text, d text, PRIMARY KEY (k, c))",
    "CREATE TABLE corpus.default_ttl (k int PRIMARY KEY, a text, b text) "
    "WITH default_time_to_live = 86400",
    "CREATE TABLE corpus.statics (k text, c int, s text static, n int static, v text, "
    "PRIMARY KEY (k, c))",
    "CREATE TABLE corpus.keys_only (k int, c text, PRIMARY KEY (k, c))",
    "CREATE TABLE corpus.\"Mixed_Case\" (\"The Key\" text, \"from\" int, \"writetime\" text, "
    "\"a\"\"b\" text, x_ttl int, PRIMARY KEY (\"The Key\", \"from\"))",
    "CREATE TABLE corpus.composite (a int, b text, c blob, v int, PRIMARY KEY ((a, b, c)))",
    "CREATE TABLE corpus.wide (k int, a int, b text, v text, w int, PRIMARY KEY (k, a, b)) "
    "WITH CLUSTERING ORDER BY (a DESC, b ASC)",
    "CREATE TABLE corpus.many (k int PRIMARY KEY, v text)",
    "CREATE TABLE corpus.empty (k int PRIMARY KEY, v text)",
]
# One table a type, clustered by it in both directions: rows come in the type's order.
ORDERED = [kind for kind in NATIVE if kind != "duration"]
ORDER_SCHEMA = [
    f"CREATE TABLE corpus.by_{kind} (k int, up {kind}, down {kind}, v int, "
    "PRIMARY KEY (k, up, down)) WITH CLUSTERING ORDER BY (up ASC, down DESC)" for kind in ORDERED
] + [
    "CREATE TABLE corpus.by_frozen (k int, up frozen<list<int>>, down tuple<int, text>, v int, "
    "PRIMARY KEY (k, up, down)) WITH CLUSTERING ORDER BY (up DESC, down DESC)",
]
# Multi-cell: elements have times of their own.
COLLECTION_SCHEMA = [
    "CREATE TABLE corpus.collections (k int, c int, s set<text>, m map<text, int>, l list<text>, "
    "u point, sl list<int> static, v int, PRIMARY KEY (k, c))",
]


def load(session) -> None:
    """Fills the source. What does not depend on the order goes at once."""
    for make in (_types, _frozen, _times, _keys, _names, _collections):
        for text in make():
            session.execute(text)
    texts = [text for make in (_statics, _wide, _many, _orders) for text in make()]
    for done, result in execute_concurrent(session, [(text, ()) for text in texts],
                                           concurrency=64):
        assert done, result


def _types():
    for number in range(max(len(values) for values in VALUES.values())):
        columns = [kind for kind in NATIVE if number < len(VALUES[kind])]
        yield (f"INSERT INTO corpus.types (id, {', '.join('c_' + kind for kind in columns)}) "
               f"VALUES ({number}, {', '.join(VALUES[kind][number] for kind in columns)}) "
               f"USING TIMESTAMP {1_000_000 + number}")
    for number, kind in enumerate(EMPTY_ALLOWED):
        function = {"int": "blobasint"}.get(kind, f"blobas{kind}")
        yield f"INSERT INTO corpus.types (id, c_{kind}) VALUES ({100 + number}, {function}(0x))"
    yield "INSERT INTO corpus.types (id, c_int) VALUES (200, null)"


def _frozen():
    yield ("INSERT INTO corpus.frozen (id, l, s, m, t, u, o) VALUES (1, [3, 1, 3], {'b', 'a'}, "
           "{'k': [1], 'j': []}, (1, null, -0.0), {x: 1, note: 'n'}, {\"A Field\": 2, b: {y: 3}})")
    yield ("INSERT INTO corpus.frozen (id, l, s, m, t, u) VALUES (2, [], {}, {}, "
           "(null, null, null), {x: null})")
    yield "INSERT INTO corpus.frozen (id) VALUES (3)"


def _times():
    yield "INSERT INTO corpus.times (k, c, a, b, d) VALUES (1, 1, 'a', 'b', 'd') USING TIMESTAMP 10"
    yield "UPDATE corpus.times USING TIMESTAMP 20 SET b = 'later' WHERE k = 1 AND c = 1"
    yield "UPDATE corpus.times USING TIMESTAMP 30 AND TTL 5000 SET d = 'dies' WHERE k = 1 AND c = 1"
    yield ("INSERT INTO corpus.times (k, c, a, b) VALUES (1, 2, 'x', 'y') "
           "USING TIMESTAMP 40 AND TTL 300000000")
    yield "UPDATE corpus.times USING TIMESTAMP 50 SET a = 'no marker' WHERE k = 1 AND c = 3"
    yield "INSERT INTO corpus.times (k, c, a) VALUES (1, 4, 'cell deleted') USING TIMESTAMP 60"
    yield "DELETE a FROM corpus.times USING TIMESTAMP 61 WHERE k = 1 AND c = 4"
    yield "INSERT INTO corpus.times (k, c, a) VALUES (1, 5, 'row deleted') USING TIMESTAMP 70"
    yield "DELETE FROM corpus.times USING TIMESTAMP 71 WHERE k = 1 AND c = 5"
    yield "INSERT INTO corpus.times (k, c, a) VALUES (1, 6, 'range deleted') USING TIMESTAMP 80"
    yield "DELETE FROM corpus.times USING TIMESTAMP 81 WHERE k = 1 AND c > 5 AND c < 8"
    yield "INSERT INTO corpus.times (k, c, a) VALUES (1, 7, 'and back') USING TIMESTAMP 82"
    yield "INSERT INTO corpus.times (k, c, a) VALUES (2, 1, 'all deleted') USING TIMESTAMP 90"
    yield "DELETE FROM corpus.times USING TIMESTAMP 91 WHERE k = 2"
    yield "UPDATE corpus.times USING TIMESTAMP 95 SET a = 'gone' WHERE k = 3 AND c = 1"
    yield "UPDATE corpus.times USING TIMESTAMP 96 SET a = null WHERE k = 3 AND c = 1"
    yield "INSERT INTO corpus.times (k, c, a) VALUES (4, 1, 'old') USING TIMESTAMP -5"
    yield ("INSERT INTO corpus.times (k, c, a) VALUES (4, 2, 'future') "
           "USING TIMESTAMP 4102444800000000")
    yield "INSERT INTO corpus.default_ttl (k, a) VALUES (1, 'default')"
    yield "INSERT INTO corpus.default_ttl (k, a) VALUES (2, 'for ever') USING TTL 0"
    yield "INSERT INTO corpus.default_ttl (k, a) VALUES (3, 'own') USING TTL 777"
    yield "UPDATE corpus.default_ttl USING TTL 0 SET b = 'for ever' WHERE k = 1"


def _statics():
    yield "UPDATE corpus.statics USING TIMESTAMP 10 SET s = 'only static', n = 1 WHERE k = 'static'"
    yield ("INSERT INTO corpus.statics (k, c, s, n, v) VALUES ('both', 1, 's', 2, 'v') "
           "USING TIMESTAMP 20")
    yield "UPDATE corpus.statics USING TIMESTAMP 30 AND TTL 4000 SET n = 3 WHERE k = 'both'"
    for number in range(2, 300):  # over several pages
        yield (f"INSERT INTO corpus.statics (k, c, v) VALUES ('both', {number}, 'v{number}') "
               f"USING TIMESTAMP {100 + number}")
    yield "INSERT INTO corpus.statics (k, c, v) VALUES ('none', 1, 'v') USING TIMESTAMP 40"
    yield "INSERT INTO corpus.statics (k, c, s) VALUES ('no cells', 1, 's') USING TIMESTAMP 50"
    yield "UPDATE corpus.statics USING TIMESTAMP 60 SET s = 'deleted' WHERE k = 'gone'"
    yield "DELETE s FROM corpus.statics USING TIMESTAMP 61 WHERE k = 'gone'"


def _keys():
    for number in range(20):
        yield f"INSERT INTO corpus.keys_only (k, c) VALUES ({number % 4}, 'c{number}')"
    yield "INSERT INTO corpus.keys_only (k, c) VALUES (0, '')"
    yield "INSERT INTO corpus.composite (a, b, c, v) VALUES (1, '', 0x, 1)"
    yield "INSERT INTO corpus.composite (a, b, c, v) VALUES (-1, 'ü', 0xff00, 2)"
    yield "INSERT INTO corpus.composite (a, b, c, v) VALUES (0, 'a:b', 0x0a, 3)"


def _names():
    yield ("INSERT INTO corpus.\"Mixed_Case\" (\"The Key\", \"from\", \"writetime\", \"a\"\"b\", "
           "x_ttl) VALUES ('a''b', 1, 'w', 'q', 5) USING TIMESTAMP 7")


def _wide():
    for number in range(3000):
        yield (f"INSERT INTO corpus.wide (k, a, b, v, w) VALUES (1, {number % 50 - 25}, "
               f"'b{number:05}', '{'x' * 120}', {number}) USING TIMESTAMP {1000 + number}")


def _many():
    for number in range(2000):
        yield f"INSERT INTO corpus.many (k, v) VALUES ({number}, 'value {number}')"


def _orders():
    for kind in ORDERED:
        for up in VALUES[kind]:
            for down in VALUES[kind]:
                yield f"INSERT INTO corpus.by_{kind} (k, up, down, v) VALUES (1, {up}, {down}, 1)"
    for up in ("[]", "[1]", "[1, 2]", "[2]", "[-1]"):
        for down in ("(1, 'a')", "(1, 'b')", "(null, 'a')", "(-1, null)"):
            yield f"INSERT INTO corpus.by_frozen (k, up, down, v) VALUES (1, {up}, {down}, 1)"


def _collections():
    yield ("INSERT INTO corpus.collections (k, c, s, m, l, u, v) VALUES (1, 1, {'a', 'b'}, "
           "{'x': 1, 'y': 2}, ['p', 'q', 'p'], {x: 1, y: 2}, 5) USING TIMESTAMP 100")
    yield "UPDATE corpus.collections USING TIMESTAMP 200 SET s = s + {'c'} WHERE k = 1 AND c = 1"
    yield ("UPDATE corpus.collections USING TIMESTAMP 210 AND TTL 5000 SET m['z'] = 3 "
           "WHERE k = 1 AND c = 1")
    yield "UPDATE corpus.collections USING TIMESTAMP 220 SET u.note = 'n' WHERE k = 1 AND c = 1"
    yield ("UPDATE corpus.collections USING TIMESTAMP 230 AND TTL 6000 SET l = ['first'] + l "
           "WHERE k = 1 AND c = 1")
    yield "UPDATE corpus.collections USING TIMESTAMP 240 SET s = s - {'a'} WHERE k = 1 AND c = 1"
    yield ("UPDATE corpus.collections USING TIMESTAMP 300 SET l = ['only', 'list'] "
           "WHERE k = 1 AND c = 2")
    yield "UPDATE corpus.collections USING TIMESTAMP 310 SET sl = [1, 2, 1] WHERE k = 1"
    yield "UPDATE corpus.collections USING TIMESTAMP 320 SET s = {'only set'} WHERE k = 2 AND c = 1"
    yield "INSERT INTO corpus.collections (k, c, s) VALUES (2, 2, {}) USING TIMESTAMP 330"
    for number in range(200):
        yield (f"INSERT INTO corpus.collections (k, c, s, m, l) VALUES (3, {number}, "
               f"{{'s{number}', 't'}}, {{'m': {number}}}, ['a', 'l{number}']) "
               f"USING TIMESTAMP {1000 + number}")
