from typing import NamedTuple
from typing_extensions import Buffer

class Statement(NamedTuple):
    kind: str
    keyspace: str | None
    table: str | None
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
    timestamp_us: int | None
    timestamp_marker: int | None
    ttl_s: int | None
    ttl_marker: int | None
    batch_type: str | None
    children: tuple[Statement, ...]

def classify(cql: str) -> Statement: ...

class Envelope(NamedTuple):
    version: int
    response: bool
    flags: int
    stream_id: int
    opcode: int
    body: bytes
    wire_size: int

def parse_envelope(data: Buffer, body_size_max: int = ...) -> Envelope | None: ...

class Segment(NamedTuple):
    payload: bytes
    self_contained: bool
    compressed: bool
    wire_size: int

def parse_segment(data: Buffer, lz4: bool = False) -> Segment | None: ...
