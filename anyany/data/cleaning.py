"""Cleaning of captions, as functions from caption to caption; a recipe names the one that it applies.

Shards hold captions as published. The recipe cleans each one once, before anything is made of it, so the text that the
LLM sees and the caption that conditioning is computed from are the same. All of them are idempotent, and may leave
nothing.
"""

import html
import re
import unicodedata

MAX_ROUNDS = 8  # of entities within entities: "&amp;amp;lt;" takes three

# Characters that show nothing. Line breaks and tabs are not among them: they are white space.
_CONTROLS = [code for code in (*range(0x20), *range(0x7F, 0xA0)) if not chr(code).isspace()]
_INVISIBLE = (
    "\u00ad\u061c\u180e\u200b\u200e\u200f\ufeff"  # soft hyphen, directions, zero-width space, byte order mark
    "\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufff9-\ufffb"  # embedding of directions, invisible operators, annotation
)
_UNSEEN = re.compile(
    f"[{re.escape(''.join(map(chr, _CONTROLS)))}{_INVISIBLE}]"
    # Joiners shape letters and emoji, none of which is ASCII. Beside ASCII they are leftovers.
    r"|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)
_SPACE_BEFORE_MARK = re.compile(r" (?=[,.;:!?]+(?: |$))")
_SPACE_BEFORE_CONTRACTION = re.compile(r"(?<=\w) (?=(?:n['\u2019]t|['\u2019](?:s|re|ve|ll|d|m))(?![\w'\u2019]))", re.I)
_NEXTGPT_MARKS = str.maketrans(dict.fromkeys('"()*#:;~', " "))


def as_published(caption: str) -> str:
    """Without white space around it."""
    return caption.strip()


def tidy(caption: str) -> str:
    """HTML entities resolved, Unicode NFC, nothing invisible, one space for each run of white space.

    Changes no letter, case or visible mark. Entities within entities are resolved up to ``MAX_ROUNDS`` deep.
    """
    for _ in range(MAX_ROUNDS):
        before, caption = caption, _tidied(caption)
        if caption == before:
            break
    return caption


def detokenized(caption: str) -> str:
    """``tidy``, with tokenised punctuation joined to its word: "we do n't , see ." becomes "we don't, see.".

    For captions that were published as tokens (CC3M). Joins , . ; : ! ? and the English contractions. What is
    ambiguous stays: " - " may have been a hyphen or a dash, a quote may open or close. Not for languages that set a
    space before a mark.
    """
    return _SPACE_BEFORE_CONTRACTION.sub("", _SPACE_BEFORE_MARK.sub("", tidy(caption)))


def nextgpt(caption: str) -> str:
    """Lower case, ``" ( ) * # : ; ~`` to spaces, runs of white space to one space: as NExT-GPT trains on pairs.

    That system computes its published caption embeddings from captions that are not cleaned.
    """
    return re.sub(r"\s{2,}", " ", caption.lower().translate(_NEXTGPT_MARKS)).rstrip("\n").strip(" ")


def _tidied(caption: str) -> str:
    visible = _UNSEEN.sub("", html.unescape(caption))
    return " ".join(unicodedata.normalize("NFC", visible).split())
