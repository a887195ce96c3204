"""Faults of data, which are counted and left out, and errors of a user, which end a run in a clear line."""


class UserError(ValueError):
    """What was asked for cannot be done. The message tells a user all, so entry points show it without a traceback."""


class Fault(ValueError):
    """Data that is not as it should be. ``kind`` is a short fixed word for counting."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple:  # crosses from a data worker to its parent
        return type(self), (self.kind, str(self))
