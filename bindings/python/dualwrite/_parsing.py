"""Statements, envelopes and segments."""

from typing import NamedTuple

from . import _dualwrite

_KINDS = ("select", "insert", "update", "delete", "batch", "truncate", "ddl", "use", "role",
          "other_read", "unknown")
_BATCH_TYPES = ("logged", "unlogged", "counter")


class Statement(NamedTuple):
    """What is known about a CQL statement from its text alone. `timestamp_us` and `ttl_s` are the
    literals of USING, the `..._marker` fields the bind marker that stands there instead."""

    kind: str
    keyspace: "str | None"
    table: "str | None"
    is_write: bool
    unparsed: bool
    conditional: bool
    using_timestamp: bool
    using_ttl: bool
    nondeterministic: bool
    other_function: bool
    delta: bool
    element: bool
    json: bool
    range: bool
    may_be_several: bool
    named_markers: bool
    marker_count: int
    marker_first: int
    timestamp_us: "int | None"
    timestamp_marker: "int | None"
    ttl_s: "int | None"
    ttl_marker: "int | None"
    batch_type: "str | None"
    children: "tuple[Statement, ...]"


def _statement(facts):
    kind, flags, batch_type, keyspace, table, *numbers, children = facts
    name = _KINDS[kind]
    return Statement(name, keyspace or None, table or None,
                     *(bool(flags & 1 << bit) for bit in range(13)), *numbers,
                     _BATCH_TYPES[batch_type] if name == "batch" else None,
                     tuple(_statement(child) for child in children))


def classify(cql):
    """Says what a CQL statement does and touches. Never fails: see kind "unknown"."""
    return _statement(_dualwrite.classify(cql))


class Envelope(NamedTuple):
    """One message of the protocol; `body` as it was sent, maybe compressed."""

    version: int
    response: bool
    flags: int
    stream_id: int
    opcode: int
    body: bytes
    wire_size: int


def parse_envelope(data, body_size_max=256 * 1024 * 1024):
    """The envelope at the start of `data`, or None if more bytes are needed."""
    parsed = _dualwrite.parse_envelope(data, body_size_max)
    return parsed and Envelope(*parsed)


class Segment(NamedTuple):
    """A verified segment of version 5; `payload` is expanded."""

    payload: bytes
    self_contained: bool
    compressed: bool
    wire_size: int


def parse_segment(data, lz4=False):
    """The segment at the start of `data`, or None if more bytes are needed."""
    parsed = _dualwrite.parse_segment(data, lz4)
    return parsed and Segment(*parsed)
