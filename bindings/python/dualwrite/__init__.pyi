# Users see this; what stands where is of no concern to them.
from ._errors import (
    AuthenticationError as AuthenticationError,
    CancelledError as CancelledError,
    ConfigError as ConfigError,
    ConnectError as ConnectError,
    CorruptError as CorruptError,
    Error as Error,
    FullError as FullError,
    InternalError as InternalError,
    InvalidArgumentError as InvalidArgumentError,
    JobFailedError as JobFailedError,
    LockedError as LockedError,
    MismatchError as MismatchError,
    NewerFormatError as NewerFormatError,
    ProtocolError as ProtocolError,
    ServerError as ServerError,
    ShutdownError as ShutdownError,
    SystemFailure as SystemFailure,
    TimedOutError as TimedOutError,
    UnsupportedError as UnsupportedError,
)
from ._options import (
    Key as Key,
    keys as keys,
)
from ._parsing import (
    Envelope as Envelope,
    Segment as Segment,
    Statement as Statement,
    classify as classify,
    parse_envelope as parse_envelope,
    parse_segment as parse_segment,
)
from ._planning import (
    Plan as Plan,
    merge as merge,
    plan as plan,
)
from ._running import (
    Job as Job,
    JobProgress as JobProgress,
    Proxy as Proxy,
    ProxyProgress as ProxyProgress,
    check as check,
    copy as copy,
    validate as validate,
)

__version__: str
__all__ = [
    "AuthenticationError", "CancelledError", "ConfigError", "ConnectError", "CorruptError",
    "Envelope", "Error", "FullError", "InternalError", "InvalidArgumentError", "Job",
    "JobFailedError", "JobProgress", "Key", "LockedError", "MismatchError", "NewerFormatError",
    "Plan", "ProtocolError", "Proxy", "ProxyProgress", "Segment", "ServerError", "ShutdownError",
    "Statement", "SystemFailure", "TimedOutError", "UnsupportedError", "check", "classify", "copy",
    "keys", "merge", "parse_envelope", "parse_segment", "plan", "validate",
]
