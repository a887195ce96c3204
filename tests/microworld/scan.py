"""A plain scan for novel pairs in text: fixed expressions, written without the reader that texts are drawn with."""

import re

_FILL = r"(?: (?:small|little|large|big|short|long|flat|rising|falling|slowly|quickly))*"
_MEDIA = r"(?: in the \w+)?"
_BE = "(?:is|are)"
_GO = r"(?:mov|slid|go)\w+"


def _clauses(a: str, n: str) -> list[str]:
    """Where a text says a predicate of a noun in a clause, or supposes it of what it named before."""
    return [
        rf"{n}{_MEDIA}(?: that)? (?:(?:is|are|be) )?{a}",
        rf"\bif the {n}\b[^.?!]*\bif (?:it|they) (?:{_BE} )?{a}",
    ]


def _look(color: str, shape: str) -> list[str]:
    n, g = rf"{shape}(?:es|s)?", rf"{color} (?:thing|shape)s?"
    return [
        *_clauses(color, n),
        rf"{color} {n}",
        rf"{n} in {color}",
        rf"{g}{_MEDIA}(?: that {_BE})?(?: {_BE})? (?:an? )?{n}",
        rf"\bif the {g}[^.?!]*\bif (?:it|they) {_BE} (?:an? )?{n}",
    ]


def _sound(pitch: str, timbre: str) -> list[str]:
    n, g = rf"(?:{timbre})(?:es|s)?", rf"{pitch}(?:-pitched)?{_FILL}"
    return [
        *_clauses(rf"{pitch}\b", n),
        rf"{g} {n}",
        rf"{n}(?: \w+){{0,3}} (?:with|at|have|has) an? {pitch} pitch",
        rf"{g} sounds?{_MEDIA}(?: that)?(?: {_BE})? (?:an? )?{n}",
    ]


def _motion(shape: str, motion: str) -> list[str]:
    return _clauses(motion, rf"{shape}(?:es|s)?")


_PAIRS = {
    "red triangle": _look("red", "triangle"),
    "blue ring": _look("blue", "ring"),
    "green cross": _look("green", "cross"),
    "yellow square": _look("yellow", "square"),
    "purple circle": _look("purple", "circle"),
    "circle grow": _motion("circle", r"(?:grow|get\w* bigger)"),
    "triangle up": _motion("triangle", rf"(?:slowly |quickly )?{_GO} (?:slowly |quickly )?up"),
    "ring right": _motion("ring", rf"(?:slowly |quickly )?{_GO} (?:slowly |quickly )?(?:to the )?right"),
    "tone low": _sound("low", "tone|beep"),
    "buzz high": _sound("high", "buzz"),
    "hiss middle": _sound("(?:medium|middle)", "hiss"),
}
_SCANS = {pair: re.compile("|".join(rf"\b(?:{one})" for one in ways)) for pair, ways in _PAIRS.items()}


def scan(text: str) -> set[str]:
    """The novel pairs that the text puts into words."""
    return {pair for pair, words in _SCANS.items() if words.search(text.lower())}
