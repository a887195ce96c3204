"""Words to values: what a reader of captions understands, far wider than what the microworld itself writes.

Each entry is a regular expression over whole words. The order of the tables is the order in which they are tried.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from anyany.microworld.words import NUMBERS

_NUMBERS: dict[Any, str] = {n: f"{word}|{n}" for n, word in enumerate(NUMBERS)}
_NUMBERS |= {1: "one|once|single|1", 2: "two|twice|(?:a )?pair of|(?:a )?couple of|2", 0: "zero|no|none|0"}
_THEY_GO = r"(?:go|goes|going|gone|moves?|moved|moving|slid(?:e|es|ing)?|drift(?:s|ed|ing)?)"
_GETS = r"(?:gets?|got|getting|becom(?:e|es|ing)|grow(?:s|n|ing)?|turn(?:s|ed|ing)?)"
_PICTURE = r"(?:the |this |a )?(?:whole )?(?:picture|image|drawing|frame|clip|video|screen|scene)\b"
_BIGGER, _SMALLER = "(?:bigger|larger|wider)", "(?:smaller|tinier)"

COLORS = {
    "red": "red|crimson|scarlet",
    "yellow": "yellow",
    "green": "green",
    "cyan": "cyan|turquoise|aqua|teal",
    "blue": "blue",
    "purple": "purple|violet|magenta",
}
SHAPES = {
    "circle": "circles?|dis[ck]s?|dots?|balls?",
    "square": "squares?|box|boxes",
    "triangle": "triangles?",
    "cross": "cross|crosses|plus signs?",
    "ring": "rings?|hoops?|donuts?|doughnuts?",
}
SIZES = {"small": "small|little|tiny", "large": "large|big|huge"}
PLACES = {
    "left": "left",
    "right": "right",
    "top": "top|upper",
    "bottom": "bottom|lower",
    "middle": "middle|cent(?:er|re)",
}
RELATIONS = {
    "left of": rf"(?:to |on )?(?:the )?left (?:side )?of(?! {_PICTURE})|to (?:its|their) left",
    "right of": rf"(?:to |on )?(?:the )?right (?:side )?of(?! {_PICTURE})|to (?:its|their) right",
    "above": "above|over|on top of|higher than",
    "below": "below|under|underneath|beneath|lower than",
}
CHANGES = {
    "grow": rf"{_GETS} {_BIGGER}|grow(?:s|n|ing)?(?! {_SMALLER})|expand(?:s|ing)?",
    "shrink": rf"{_GETS} {_SMALLER}|shrink(?:s|ing)?|shrunk|shrank",
    "appear": "appear(?:s|ed|ing)?|com(?:es?|ing) into view",
    "vanish": "vanish(?:es|ed|ing)?|disappear(?:s|ed|ing)?|fad(?:es?|ing) away",
}
WAYS = {
    "left": r"from (?:the )?right to (?:the )?left|(?:to the )?left|leftwards?",
    "right": r"from (?:the )?left to (?:the )?right|(?:to the )?right|rightwards?",
    "up": r"from (?:the )?bottom to (?:the )?top|up|upwards?|ris(?:es?|ing|en)|climb(?:s|ing)?",
    "down": r"from (?:the )?top to (?:the )?bottom|down|downwards?|fall(?:s|ing|en)?|drop(?:s|ping)?|sink(?:s|ing)?",
}
SPEEDS = {"slow": "slow|slowly", "fast": "fast|quick|quickly|rapid|rapidly"}
TIMBRES = {
    "tone": "tones?|beep(?:s|ing)?|notes?",
    "buzz": "buzz|buzzes|buzzing",
    "hiss": "hiss|hisses|hissing",
    "chirp": "chirp(?:s|ing)?|tweets?",
}
PITCHES = {"low": "low|deep", "middle": "middle|medium|mid", "high": "high"}
LENGTHS = {"short": "short|brief", "long": "long"}
GLIDES = {
    "rising": "ris(?:es?|ing)|(?:go|goes|going) up|upwards?",
    "falling": "fall(?:s|ing)?|(?:go|goes|going) down|downwards?",
    "flat": "flat|level|steady",
}
# Which of two things comes first; the plain "then" says nothing beyond the order of the words.
ORDERS = {"then": "after(?: it| that| this| them| which|wards)", "before": "before", "after": "after|but first"}

_LOOKS = {"color": COLORS, "shape": SHAPES}
_FRONT = {"number": _NUMBERS, "order": ORDERS}
_FRAMED = {
    side: rf"(?:on|at|in|near) (?:the )?(?:very )?(?:{words})(?! of(?! {_PICTURE}))" for side, words in PLACES.items()
}
TABLES: dict[str, dict[str, dict[Any, str]]] = {
    "image": _FRONT
    | {"relation": RELATIONS, "motion": CHANGES | {"move": _THEY_GO}}
    | _LOOKS
    | {"size": SIZES, "place": PLACES},
    "video": _FRONT
    | {"place": _FRAMED, "relation": RELATIONS, "motion": CHANGES | WAYS}
    | _LOOKS
    | {"size": SIZES, "speed": SPEEDS},
    "audio": _FRONT | {"glide": GLIDES, "timbre": TIMBRES, "pitch": PITCHES, "length": LENGTHS},
}
HEADS = {"image": "shape", "video": "shape", "audio": "timbre"}  # what each thing is named by


@dataclass(frozen=True)
class Word:
    """A word or set phrase of a text; ``attribute`` is None where it says nothing of a scene."""

    text: str
    attribute: str | None = None
    value: Any = None


def words_of(text: str, modality: str) -> Iterator[Word]:
    """The text as words and set phrases with what they say; case does not matter, hyphens part words."""
    pattern, meanings = _reader(modality)
    text = " ".join(text.lower().replace("-", " ").split())
    text = re.sub(rf"\b(?:{'|'.join(SIZES.values())}|short|long|nice) (?={_PICTURE})", "", text)  # not of the shapes
    text = re.sub(r"\bnot (?:an? )?\w+", "", text)
    for match in pattern.finditer(text):
        yield Word(match.group(), *(meanings[match.lastindex] if match.lastindex else (None, None)))


@cache
def _reader(modality: str) -> tuple[re.Pattern[str], dict[int | None, tuple[str, Any]]]:
    """One expression with a group for each value, and what each group means."""
    values = [(attr, value, words) for attr, table in TABLES[modality].items() for value, words in table.items()]
    pattern = "|".join(rf"(\b(?:{words})\b)" for _, _, words in values)
    meanings: dict[int | None, tuple[str, Any]] = {i: (a, v) for i, (a, v, _) in enumerate(values, start=1)}
    return re.compile(rf"{pattern}|\w+|[.,;:!?]"), meanings
