from collections.abc import Callable, Iterable
from datetime import timedelta
from os import PathLike
from types import TracebackType
from typing import Any, Literal, NamedTuple
from typing_extensions import Buffer, Self

__version__: str
__all__: list[str]

# level: 0 debug, 1 info, 2 warning, 3 error. Called on threads of the library.
_Log = Callable[[int, str], object]
_Value = str | int | bool | PathLike[str] | timedelta | None
_Option = _Value | list[str] | tuple[str, ...]

class Error(Exception):
    code: int
    def __init__(self, text: str, code: int = ...) -> None: ...
    @property
    def code_name(self) -> str: ...

class InvalidArgumentError(Error, ValueError): ...
class ConfigError(Error, ValueError): ...
class UnsupportedError(Error): ...
class InternalError(Error): ...
class ShutdownError(Error): ...
class CancelledError(Error): ...
class ProtocolError(Error, ValueError): ...
class ConnectError(Error, ConnectionError): ...
class AuthenticationError(Error): ...
class TimedOutError(Error, TimeoutError): ...
class ServerError(Error): ...
class JobFailedError(Error): ...
class LockedError(Error): ...
class NewerFormatError(Error): ...
class CorruptError(Error): ...
class FullError(Error): ...
class MismatchError(Error): ...
class SystemFailure(Error, OSError): ...

_Command = Literal["proxy", "copy", "validate"]

class Key(NamedTuple):
    name: str
    type: str
    default: str
    values: str
    group: str
    help: str
    secret: bool
    list: bool
    required: bool
    planned: bool

def keys(command: _Command = "proxy") -> list[Key]: ...

class ProxyProgress(NamedTuple):
    state: str
    ready: bool
    clients: int
    backlog_writes: int
    spool_bytes: int
    backlog_age_ms: int

class Proxy:
    def __init__(
        self,
        source: str,
        target: str,
        *,
        log: _Log | None = None,
        use_environment: bool = False,
        **options: _Option,
    ) -> None: ...
    def start(self) -> Self: ...
    def stop(self, drain_limit: float | None = None) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    def close(self) -> None: ...
    def progress(self) -> ProxyProgress: ...
    def status(self) -> dict[str, Any]: ...
    def metrics(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def metrics_port(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

class JobProgress(NamedTuple):
    state: str
    table: str
    ranges_total: int
    ranges_done: int
    ranges_failed: int
    ranges_skipped: int
    rows: int
    rows_estimated: int
    cells: int
    bytes: int
    retries: int
    missing: int
    extra: int
    differing: int
    rechecked: int
    elapsed_s: float
    done_fraction: float
    rows_per_s: float
    eta_s: float | None

class Job:
    def progress(self) -> JobProgress: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    def result(self, timeout: float | None = None) -> dict[str, Any]: ...
    def cancel(self) -> None: ...
    def report(self) -> dict[str, Any]: ...
    def error(self) -> str: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

def copy(
    source: str,
    target: str,
    keyspace: str,
    *,
    tables: str | Iterable[str] = (),
    log: _Log | None = None,
    use_environment: bool = False,
    **options: _Option,
) -> Job: ...
def validate(
    source: str,
    target: str,
    keyspace: str,
    *,
    tables: str | Iterable[str] = (),
    log: _Log | None = None,
    use_environment: bool = False,
    **options: _Option,
) -> Job: ...

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
