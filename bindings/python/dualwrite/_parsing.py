"""Statements, envelopes and segments."""

from collections import namedtuple

from . import _dualwrite

_KINDS = ("select", "insert", "update", "delete", "batch", "truncate", "ddl", "use", "role",
          "other_read", "unknown")
_BATCH_TYPES = ("logged", "unlogged", "counter")


class Statement(namedtuple(
    "Statement",
    "kind keyspace table is_write unparsed conditional using_timestamp using_ttl "
    "nondeterministic other_function delta element json range may_be_several named_markers "
    "marker_count marker_first timestamp_us timestamp_marker ttl_s ttl_marker batch_type "
    "children",
)):
    """What is known about a CQL statement from its text alone. `timestamp_us` and `ttl_s` are the
    literals of USING, the `..._marker` fields the bind marker that stands there instead."""

    __slots__ = ()


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


class Envelope(namedtuple("Envelope", "version response flags stream_id opcode body wire_size")):
    """One message of the protocol; `body` as it was sent, maybe compressed."""

    __slots__ = ()


def parse_envelope(data, body_size_max=256 * 1024 * 1024):
    """The envelope at the start of `data`, or None if more bytes are needed."""
    parsed = _dualwrite.parse_envelope(data, body_size_max)
    return parsed and Envelope(*parsed)


class Segment(namedtuple("Segment", "payload self_contained compressed wire_size")):
    """A verified segment of version 5; `payload` is expanded."""

    __slots__ = ()


def parse_segment(data, lz4=False):
    """The segment at the start of `data`, or None if more bytes are needed."""
    parsed = _dualwrite.parse_segment(data, lz4)
    return parsed and Segment(*parsed)
