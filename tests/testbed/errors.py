"""The one exception that the bed raises on purpose."""


class BedError(Exception):
    """Something the bed cannot do; the message says what is wrong and what to do about it."""
