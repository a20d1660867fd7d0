"""Envelopes and segments that no client may send: the proxy does as the real server does, and the
source sees none of them. DUALWRITE_BUILD=build python3 tests/cluster/test_proxy_malformed.py -v"""

import struct
import unittest

from support import ClusterTest
from support_proxy import Proxy
from support_wire import (
    EXECUTE, OPTIONS, PROTOCOL_ERROR, QUERY, READY, RESULT, Raw, Relay, envelope, query, segment,
    startup)
from testbed import Node

MARK = "SELECT mark_of_this_test"  # what must not get through
_BODY = MARK.encode()
_BATCH = 0x0D
_INVALID = 0x2200

# name, bytes, version, after STARTUP
BEFORE_FORWARDING = [
    ("version 66", envelope(OPTIONS, _BODY, 0x42), 4, False),
    ("version 6", envelope(OPTIONS, _BODY, 6), 4, False),
    ("version 66 later", envelope(QUERY, _BODY, 0x42), 4, True),
    ("direction of an answer", envelope(OPTIONS, _BODY, 0x84), 4, True),
    ("version 5 on a v4 connection", query(MARK, 5), 4, True),
    ("version 3 on a v4 connection", query(MARK, 3), 4, True),
    ("unknown opcode", envelope(0x55, _BODY), 4, True),
    ("opcode of an answer", envelope(RESULT, _BODY), 4, True),
    ("negative length", envelope(QUERY, _BODY, size=-1), 4, True),
    ("length over the limit", envelope(QUERY, _BODY, size=400 << 20), 4, True),
    # The real server looks at this one; negative ids are its own, by the specification.
    ("negative stream id", query(MARK, stream=-5), 4, True),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: " + _BODY + b"\r\n\r\n", 4, False),
    ("v5: wrong CRC24", segment(query(MARK, 5), wrong_header=True), 5, True),
    ("v5: wrong CRC32", segment(query(MARK, 5), wrong_payload=True), 5, True),
    ("v5: unknown opcode in a segment", segment(envelope(0x55, _BODY, 5)), 5, True),
    ("v5: v4 envelope in a segment", segment(query(MARK, 4)), 5, True),
    ("v5: negative length in a segment", segment(envelope(QUERY, _BODY, 5, size=-1)), 5, True),
    ("v5: part of an envelope in a self-contained segment", segment(query(MARK, 5)[:-3]), 5, True),
    ("v5: envelope without a segment", query(MARK, 5), 5, True),
]
# The source judges these itself; its words must come back unchanged.
BY_THE_SOURCE = [
    ("request before STARTUP", query("SELECT key FROM system.local"), 4, False),
    ("STARTUP twice", startup(), 4, True),
    ("QUERY cut short", envelope(QUERY, struct.pack(">i", 32) + b"SELECT"), 4, True),
    ("QUERY with a negative text", envelope(QUERY, b"\xff\xff\xff\xff\0\1\0"), 4, True),
    ("EXECUTE without a body", envelope(EXECUTE), 4, True),
    ("BATCH of junk", envelope(_BATCH, b"\0\0\5\7"), 4, True),
    ("QUERY with bytes behind it",
     envelope(QUERY, query("SELECT key FROM system.local")[9:] + b"abc"), 4, True),
]


class Malformed(ClusterTest):
    target_spec = Node("target", "4.1.10")

    def setUp(self):
        relay = Relay(self.source.address, self.source.port)
        self.addCleanup(relay.close)
        self.relay = relay
        self.proxy = Proxy(relay, self.target, self.folder / self._testMethodName).start()
        self.addCleanup(self.proxy.kill9)

    def outcome(self, address, port, data, version, started) -> tuple:
        with Raw(address, port, version, started) as raw:
            raw.send(data)
            return raw.outcome(version == 5 and started, 2)

    def both_outcomes(self, data, version, started) -> tuple[tuple, tuple]:
        return (self.outcome(self.source.address, self.source.port, data, version, started),
                self.outcome(self.proxy.address, self.proxy.port, data, version, started))

    def test_what_is_malformed_is_refused_as_by_the_source_and_never_forwarded(self):
        for name, data, version, started in BEFORE_FORWARDING:
            with self.subTest(name):
                before = len(self.relay.seen())
                direct, proxied = self.both_outcomes(data, version, started)
                # Where the real server falls silent for ever, closing or saying why is better.
                self.assertIn(proxied[0], ("error", "closed"))
                # It takes an envelope that is too long for an invalid request.
                if proxied[0] == "error":
                    too_long = "over the limit" in name
                    self.assertEqual(proxied[1], _INVALID if too_long else PROTOCOL_ERROR)
                if direct[0] == "error" and direct[1] == PROTOCOL_ERROR and proxied[0] == "error":
                    self.assertGreaterEqual(proxied[2], direct[2], "closes if the server does")
                self.assertFalse(_BODY in self.relay.seen()[before:], "the source saw it")
        self.assert_serves()

    def test_what_the_source_judges_is_answered_in_its_words(self):
        for name, data, version, started in BY_THE_SOURCE:
            with self.subTest(name):
                direct, proxied = self.both_outcomes(data, version, started)
                # It may close the connection where the source does not, after the same words.
                self.assertEqual(proxied[:2], direct[:2])
        self.assert_serves()

    def test_bytes_one_by_one_and_a_client_that_leaves_in_the_middle(self):
        data = query("SELECT key FROM system.local")
        with Raw(self.proxy.address, self.proxy.port) as raw:
            for byte in data:
                raw.send(bytes([byte]))
            self.assertEqual(raw.outcome(), ("answer", RESULT))
        for size in (1, 8, 9, 12, len(query(MARK)) - 1):
            with Raw(self.proxy.address, self.proxy.port) as raw:
                raw.send(query(MARK)[:size])
                raw.finish()
                self.assertEqual(raw.outcome(), ("closed",))
        self.assertFalse(_BODY in self.relay.seen(), "the source saw part of a request")
        self.assert_serves()

    def assert_serves(self) -> None:
        self.assertTrue(self.proxy.running(), self.proxy.log_tail())
        for version in (4, 5):
            with Raw(self.proxy.address, self.proxy.port, version) as raw:
                request = query("SELECT key FROM system.local", version)
                raw.send(segment(request) if version == 5 else request)
                self.assertEqual(raw.outcome(version == 5), ("answer", RESULT))
        with Raw(self.proxy.address, self.proxy.port, started=False) as raw:
            raw.send(startup())
            self.assertEqual(raw.read_envelope()[0], READY)


if __name__ == "__main__":
    unittest.main()
