from collections.abc import Generator, Iterable
from types import TracebackType
from typing import Any, NamedTuple
from typing_extensions import Self

from . import _dualwrite
from ._options import _Log, _Option

class ProxyProgress(NamedTuple):
    state: str
    ready: bool
    clients: int
    backlog_writes: int
    spool_bytes: int
    backlog_age_ms: int
    dead_letters: int

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
    async def wait_async(self, timeout: float | None = None) -> bool: ...
    async def stop_async(self, drain_limit: float | None = None) -> bool: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
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
    repaired: int

class Job:
    def __init__(self, handle: _dualwrite.Job, kind: str = "copy") -> None: ...
    def progress(self) -> JobProgress: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    def result(self, timeout: float | None = None) -> dict[str, Any]: ...
    def __await__(self) -> Generator[Any, None, dict[str, Any]]: ...
    def cancel(self) -> None: ...
    def set_pace(self, **options: _Option) -> None: ...
    def report(self) -> dict[str, Any]: ...
    def differences(self) -> list[dict[str, Any]]: ...
    def to_arrow(self) -> Any: ...
    def _repr_html_(self) -> str | None: ...
    def error(self) -> str: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    async def wait_async(self, timeout: float | None = None) -> bool: ...
    async def result_async(self, timeout: float | None = None) -> dict[str, Any]: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

def check(
    source: str,
    target: str,
    keyspace: str = "",
    *,
    tables: str | Iterable[str] = (),
    use_environment: bool = False,
    **options: _Option,
) -> dict[str, Any]: ...
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
