"""What a recipe or a preprocessing does, as far as a digest can tell it: the same words in every process, other words
for other code."""

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import NoneType

from anyany.seeds import digest_of

_PLAIN = (bool, int, float, str, Path, NoneType)


def identity(value: object) -> str:
    """In words: import path, digest of the module's source, and all arguments or fields, defaults too.

    Functions and dataclasses among these are told in the same way, however deep they stand.

    Raises:
        ValueError: for one that is none of these nor plain data: its repr may hold an address in memory.
    """
    if isinstance(value, partial):
        return _called(value.func, value.args, value.keywords)
    if inspect.isfunction(value):
        return _called(value, (), {})
    if is_dataclass(value) and not isinstance(value, type):
        return _told(type(value), {field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}={identity(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(identity, value))}]"
    if isinstance(value, _PLAIN):
        return repr(value)
    raise ValueError(f"found {value!r}, which has no lasting name; give functions, dataclasses and plain data")


def _called(function: object, args: tuple, keywords: Mapping[str, object]) -> str:
    if not inspect.isfunction(function):
        raise ValueError(f"{function!r} in a recipe has no Python source to tell it by; give it a function")
    bound = inspect.signature(function).bind_partial(*args, **keywords)
    bound.apply_defaults()
    return _told(function, bound.arguments)


def _told(made_by: Callable, arguments: Mapping[str, object]) -> str:
    code = digest_of(inspect.getsource(sys.modules[made_by.__module__])).hex()
    return f"{made_by.__module__}.{made_by.__qualname__} {code} {identity(arguments)}"
