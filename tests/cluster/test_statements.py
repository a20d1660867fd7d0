"""tests/policy/statements.txt against a real server: which text its grammar takes, and how many
markers it has. DUALWRITE_BUILD=build python3 tests/cluster/test_statements.py -v"""

import re
import struct
import tempfile
import unittest
from pathlib import Path

from support import ROOT, Bed, Node
from support_wire import ERROR, PREPARE, Raw, envelope, query

_SYNTAX, _PROTOCOL = 0x2000, 0x000A
_PREPARED = 4  # the kind of result
_ESCAPE = re.compile(rb"\\(x[0-9a-f]{2}|.)")
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
TABLES = (
    "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE ks.t (k int PRIMARY KEY, a int, b int, v int, c int, m map<text, int>, "
    "l list<int>, s set<text>, p frozen<tuple<int, int>>)",
)


def _unescape(text: str) -> bytes:
    def one(found: re.Match) -> bytes:
        what = found.group(1)
        return bytes([int(what[1:], 16)]) if len(what) == 3 else _NAMED.get(what, what)

    return _ESCAPE.sub(one, text.encode())


def corpus() -> list[tuple[str, str, str]]:
    """(verdict, text as it stands in the file, facts)"""
    lines = (ROOT / "tests/policy/statements.txt").read_text().splitlines()
    rows = [line for line in lines if line and not line.startswith("#")]
    return [(*first.split(" ", 1), facts.strip()) for first, facts in zip(rows[::2], rows[1::2])]


def markers(facts: str) -> int:
    found = re.search(r" m(\d+)( |$)", facts.split(" {")[0])
    return int(found.group(1)) if found else 0


def _without_warnings(body: bytes) -> bytes:
    at = 2
    for _ in range(struct.unpack_from(">H", body)[0]):
        at += 2 + struct.unpack_from(">H", body, at)[0]
    return body[at:]


class Server:
    """A connection that has a keyspace."""

    def __init__(self, node):
        self.raw = Raw(node.address, node.port)
        self._ask(query("USE ks"))

    def prepare(self, text: str) -> tuple[int | None, int | None, str]:
        """(code of the error, number of markers, message)"""
        encoded = _unescape(text)
        opcode, body = self._ask(envelope(PREPARE, struct.pack(">i", len(encoded)) + encoded))
        if opcode == ERROR:
            return struct.unpack_from(">i", body)[0], None, body[6:].decode(errors="replace")
        if struct.unpack_from(">i", body)[0] != _PREPARED:
            body = _without_warnings(body)
        id_size = struct.unpack_from(">H", body, 4)[0]
        return None, struct.unpack_from(">i", body, 6 + id_size + 4)[0], ""

    def _ask(self, request: bytes) -> tuple[int, bytes]:
        self.raw.send(request)
        opcode, _, body = self.raw.read_envelope()
        return opcode, body


class Statements(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="dualwrite-cluster-")
        self.addCleanup(folder.cleanup)
        bed = Bed(Path(folder.name) / "bed")
        self.addCleanup(bed.close)
        self.node, = bed.up(Node("source"))
        for text in TABLES:
            self.node.query(text)

    def test_the_verdicts_of_the_corpus_are_those_of_the_real_server(self):
        server, counted = Server(self.node), 0
        self.addCleanup(server.raw.__exit__)
        for verdict, text, facts in corpus():
            with self.subTest(text):
                code, count, message = server.prepare(text)
                refused = code in (_SYNTAX, _PROTOCOL)
                self.assertEqual("bad" if refused else "taken",
                                 "bad" if verdict == "bad" else "taken", message)
                if count is not None:
                    self.assertEqual(count, markers(facts))
                    counted += 1
        self.assertGreater(counted, 100)


if __name__ == "__main__":
    unittest.main()
