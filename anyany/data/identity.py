"""What a recipe does, as far as a digest can tell it: the same words in every process, other words for other code."""

import inspect
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import NoneType

from anyany.seeds import digest_of

_PLAIN = (bool, int, float, str, Path, NoneType)


def identity(value: object) -> str:
    """A recipe in words: import path, digest of its module's source, and all its arguments, defaults too.

    Functions among the arguments are told in the same way, however deep they stand.

    Raises:
        ValueError: for an argument that is neither plain data nor a function: its repr may hold an address in memory.
    """
    if isinstance(value, partial):
        return _called(value.func, value.args, value.keywords)
    if inspect.isfunction(value):
        return _called(value, (), {})
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}={identity(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(identity, value))}]"
    if isinstance(value, _PLAIN):
        return repr(value)
    raise ValueError(f"a recipe holds {value!r}, which has no lasting name; give it functions and plain data")


def _called(function: object, args: tuple, keywords: Mapping[str, object]) -> str:
    if not inspect.isfunction(function):
        raise ValueError(f"{function!r} in a recipe has no Python source to tell it by; give it a function")
    bound = inspect.signature(function).bind_partial(*args, **keywords)
    bound.apply_defaults()
    code = digest_of(inspect.getsource(sys.modules[function.__module__])).hex()
    return f"{function.__module__}.{function.__qualname__} {code} {identity(bound.arguments)}"
