from collections.abc import Iterable
from typing import Any, NamedTuple

from ._options import _Log, _Option

class Plan(NamedTuple):
    job: str
    keyspace: str
    tables: dict[str, list[tuple[int, int]]]
    began_us: int

def plan(
    source: str,
    target: str,
    keyspace: str,
    *,
    job: str = "copy",
    tables: str | Iterable[str] = (),
    log: _Log | None = None,
    use_environment: bool = False,
    **options: _Option,
) -> Plan: ...
def merge(
    source: str,
    target: str,
    keyspace: str,
    report: str | dict[str, Any],
    *,
    use_environment: bool = False,
    **options: _Option,
) -> None: ...
