"""Faults of data, as opposed to errors of a run: a sample that has one is counted and left out."""


class Fault(ValueError):
    """Data that is not as it should be. ``kind`` is a short fixed word for counting."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple:  # crosses from a data worker to its parent
        return type(self), (self.kind, str(self))
