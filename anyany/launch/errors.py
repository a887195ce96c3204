"""What every refusal of a config looks like: where it is, what was found, what to write instead."""

from collections.abc import Iterable
from difflib import get_close_matches

from anyany.faults import UserError


class ConfigError(UserError):
    """A config that cannot be run; one line a fault."""

    def __init__(self, *faults: str):
        super().__init__("\n".join(faults))
        self.faults = faults


def nearest(found: str, known: Iterable[str]) -> str | None:
    """The known name that ``found`` was most likely meant to be."""
    return next(iter(get_close_matches(found, list(known), n=1, cutoff=0.6)), None)


def no_such(where: str, found: str, known: Iterable[str], kind: str = "key") -> str:
    """``where: no such key; did you mean max_steps?``, or the list of what there is when nothing comes near."""
    names = sorted(set(known))
    if near := nearest(found, names):
        return f"{where}: no such {kind}; did you mean {near}?"
    return f"{where}: no such {kind}; there is {', '.join(names) or 'none here'}"


def wanted(message: str) -> str:
    """What to give instead, in a yaml's words, from what pydantic says of JSON."""
    for theirs, ours in {
        "Input should be ": "",
        "Value error, ": "",
        "an object": "a mapping",
        "a valid array": "a list",
    }.items():
        message = message.replace(theirs, ours)
    return message
