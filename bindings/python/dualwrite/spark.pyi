from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ._options import _Option

class Copied(NamedTuple):
    ranges: Any
    rows: int
    cells: int
    seconds: float

class Validated(NamedTuple):
    equal: bool
    differences: Any
    counts: dict[str, int]
    rows: int
    seconds: float

def copy(
    spark: Any,
    source: str,
    target: str,
    keyspace: str,
    *,
    tables: str | Iterable[str] = (),
    tasks: int | None = None,
    waves: int | None = None,
    rate: int | None = None,
    rate_bytes: int | None = None,
    rate_units: int | None = None,
    on_progress: Callable[[int, int, int], object] | None = None,
    **options: _Option,
) -> Copied: ...
def validate(
    spark: Any,
    source: str,
    target: str,
    keyspace: str,
    *,
    tables: str | Iterable[str] = (),
    tasks: int | None = None,
    on_progress: Callable[[int, int, int], object] | None = None,
    **options: _Option,
) -> Validated: ...
