"""Whether a reply says what was asked, where that can be told from its words."""

import re
from collections.abc import Mapping
from typing import Any

from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.oracles.glossary import TABLES, words_of
from anyany.microworld.scenes import Unreadable, compare, from_json

# The modality whose glossary reads an attribute: "left" is a place of a picture and a motion of a clip.
_READ_AS = {name: modality for modality in ("video", "audio", "image") for name in TABLES[modality]} | {
    "motion": "video",
}


def is_right(reply: str, answer: Mapping[str, Any]) -> bool:
    """Whether the reply gives the answer.

    ``answer`` is ``{"scene": ...}`` (the reply must describe this scene, in any phrasing), ``{"attribute": ...,
    "value": ...}`` (it must name this value of the attribute and no other), ``{"any": [...]}`` (it must be one of these
    texts) or ``{"text": ...}`` (it must be this one; case and punctuation count only where ``"exact"`` is set).
    """
    if "scene" in answer:
        scene = from_json(answer["scene"])
        read = read_caption(reply, scene.modality)
        return not isinstance(read, Unreadable) and all(compare(scene, read).values())
    if "attribute" in answer:
        return read_values(reply, answer["attribute"]) == {answer["value"]}
    if answer.get("exact"):
        return reply.strip() == answer["text"]
    return _plain(reply) in map(_plain, answer["any"] if "any" in answer else [answer["text"]])


def read_values(text: str, attribute: str) -> set[Any]:
    """All values of the attribute that the text names; of ``yes or no`` and ``unsaid`` what it says."""
    if attribute == "yes or no":
        return set(re.findall(r"^(?:yes|no)\b", text.strip().lower()))
    if attribute == "unsaid":
        return {"not said"} if "not said" in text.lower() else set()
    return {word.value for word in words_of(text, _READ_AS[attribute]) if word.attribute == attribute}


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
