"""Options: keyword arguments as the text that dualwrite.h takes."""

import os
from collections import namedtuple

from . import _dualwrite
from ._errors import ConfigError

_COMMANDS = {"proxy": 1, "copy": 2, "validate": 4, "check": 32}
_TYPES = ("text", "boolean", "number", "size", "duration", "choice")


class Key(namedtuple("Key", "name type default values group help secret list required planned")):
    """An option: `name` with `-`, as the programs have it after `--`."""

    __slots__ = ()


def keys(command="proxy"):
    """All options of "proxy", "copy" or "validate"."""
    return [Key(name, _TYPES[kind], default, values, group, text, bool(flags & 1), bool(flags & 2),
                bool(flags & 8), bool(flags & 16))
            for name, kind, flags, default, values, group, text in _conf(command).keys()]


def _conf(command):
    if command not in _COMMANDS:
        raise ValueError(f"command must be one of {', '.join(_COMMANDS)}, not {command!r}")
    return _dualwrite.Conf(_COMMANDS[command])


def _option_text(name, value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, (list, tuple)):
        text = ",".join(_option_text(name, one) for one in value)
    elif hasattr(value, "total_seconds"):
        text = f"{round(value.total_seconds() * 1000)}ms"
    else:
        raise TypeError(f"option {name}: {type(value).__name__} is no text, number, bool, path, "
                        "timedelta or list of such")
    if not isinstance(text, str):
        raise TypeError(f"option {name}: a path of bytes")
    if "\0" in text:
        raise ConfigError(f"--{name}: a text with NUL", -2)
    return text


def configure(command, options, log, use_environment):
    conf = _conf(command)
    if use_environment:
        conf.load_env()
    for name, value in options.items():
        if value is not None:
            conf.set(name, _option_text(name, value))
    conf.set_log(_to_logging if log is None else log)
    return conf


def _to_logging(level, text):
    """The default for `log`: the logger "dualwrite" of the module logging."""
    import logging  # not with dualwrite itself: it takes its time

    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
    logging.getLogger("dualwrite").log(levels[level], "%s", text)
