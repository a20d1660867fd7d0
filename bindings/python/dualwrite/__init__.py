"""Live migration between Apache Cassandra clusters: proxy, copy, validation, parsing.

    import dualwrite

    with dualwrite.Proxy("10.0.0.1", "10.1.0.1", disable_source_tls=True) as proxy:
        job = dualwrite.copy("10.0.0.1", "10.1.0.1", "shop", disable_source_tls=True)
        print(job.result())
        proxy.wait()

Options are the flags of the programs with `_` for `-`; keys() lists them. More: docs/python.md.
"""

from . import _dualwrite

if not _dualwrite.in_main_interpreter():
    raise ImportError("dualwrite cannot be imported by a sub-interpreter; use a process of its own")

from ._errors import (
    AuthenticationError, CancelledError, ConfigError, ConnectError, CorruptError, Error, FullError,
    InternalError, InvalidArgumentError, JobFailedError, LockedError, MismatchError,
    NewerFormatError, ProtocolError, ServerError, ShutdownError, SystemFailure, TimedOutError,
    UnsupportedError,
)
from ._options import Key, keys
from ._parsing import Envelope, Segment, Statement, classify, parse_envelope, parse_segment
from ._planning import Plan, merge, plan
from ._running import Job, JobProgress, Proxy, ProxyProgress, check, copy, validate

__all__ = [
    "AuthenticationError", "CancelledError", "ConfigError", "ConnectError", "CorruptError",
    "Envelope", "Error", "FullError", "InternalError", "InvalidArgumentError", "Job",
    "JobFailedError", "JobProgress", "Key", "LockedError", "MismatchError", "NewerFormatError",
    "Plan", "ProtocolError", "Proxy", "ProxyProgress", "Segment", "ServerError", "ShutdownError",
    "Statement", "SystemFailure", "TimedOutError", "UnsupportedError", "check", "classify", "copy",
    "keys", "merge", "parse_envelope", "parse_segment", "plan", "validate",
]

__version__ = _dualwrite.version()

# For tracebacks, help() and pickle: all of it is the package's, wherever it is written.
for _name in __all__:
    globals()[_name].__module__ = __name__
del _name
