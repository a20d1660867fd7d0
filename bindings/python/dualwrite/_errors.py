"""Exceptions, one per error code of dualwrite.h."""

from . import _dualwrite


class Error(Exception):
    """A call failed. The text is for people; `code` is one of dualwrite.h, `code_name` its name."""

    def __init__(self, text, code=-5):
        super().__init__(text)
        self.code = code

    @property
    def code_name(self):
        return _dualwrite.code_name(self.code)


class InvalidArgumentError(Error, ValueError):
    """A call that makes no sense, for example on a proxy that is closed."""


class ConfigError(Error, ValueError):
    """An unknown option, a value that does not fit, or a combination."""


class UnsupportedError(Error):
    """This version cannot do it; the text says what instead."""


class InternalError(Error):
    """A bug of the library."""


class ShutdownError(Error):
    """The proxy or the job was closed meanwhile."""


class CancelledError(Error):
    """The job was cancelled."""


class ProtocolError(Error, ValueError):
    """Bytes that are not CQL."""


class ConnectError(Error, ConnectionError):
    """No connection, or it was lost, or TLS was refused."""


class AuthenticationError(Error):
    """The cluster refused the credentials."""


class TimedOutError(Error, TimeoutError):
    """No answer within the limit."""


class ServerError(Error):
    """The cluster answered with an error."""


class JobFailedError(Error):
    """A job could not be completed; the text names what failed."""


class LockedError(Error):
    """Another process uses the state directory."""


class NewerFormatError(Error):
    """Files of a newer version."""


class CorruptError(Error):
    """Damaged files."""


class FullError(Error):
    """The spool's limit or the disk is reached."""


class MismatchError(Error):
    """The ledger belongs to another run; see option `restart`."""


class SystemFailure(Error, OSError):
    """The operating system refused: address in use, no permission."""


_CLASSES = {
    -1: InvalidArgumentError, -2: ConfigError, -3: UnsupportedError, -5: InternalError,
    -6: ShutdownError, -7: CancelledError, -8: ProtocolError, -9: ConnectError,
    -10: AuthenticationError, -11: TimedOutError, -12: ServerError, -13: LockedError,
    -14: NewerFormatError, -15: CorruptError, -16: FullError, -17: MismatchError,
    -18: SystemFailure,
}


def _make_exception(code, text):
    if code == -4:
        return MemoryError(text)
    return _CLASSES.get(code, InternalError)(text, code)


_dualwrite.set_exception_maker(_make_exception)
