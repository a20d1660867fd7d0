from collections.abc import Callable, Mapping
from datetime import timedelta
from os import PathLike
from typing import Literal, NamedTuple
from typing_extensions import TypeAlias

from . import _dualwrite

# level: 0 debug, 1 info, 2 warning, 3 error. Called on threads of the library.
_Log: TypeAlias = Callable[[int, str], object]
_Value: TypeAlias = str | int | bool | PathLike[str] | timedelta | None
_Option: TypeAlias = _Value | list[str] | tuple[str, ...]
_Command: TypeAlias = Literal["proxy", "copy", "validate", "check"]

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
def configure(
    command: _Command,
    options: Mapping[str, _Option],
    log: _Log | None,
    use_environment: bool,
) -> _dualwrite.Conf: ...
