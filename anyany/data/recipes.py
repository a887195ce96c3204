"""How a record becomes messages: one small function for what a stage asks of a pair, or a conversation as it is.

A recipe reads text members alone and names the media it wants, so that lengths can be counted and captions trained on
without opening any media. Where it chooses a phrasing it does so by the record's key: the same in every epoch and run.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial

from anyany.data.records import Record, RecordFault
from anyany.media.table import MEDIA
from anyany.messages.types import Conversation, Media, assistant, from_json, is_text, user
from anyany.seeds import choice_of

Recipe = Callable[[Record], Conversation]
TEXT_EXTENSIONS = ("txt", "json")

READ_PROMPTS = (
    "Describe the {noun}.",
    "What is in this {noun}?",
    "Say what the {noun} holds.",
    "Give the {noun} a caption.",
    "Tell me about this {noun}.",
    "Put the {noun} into words.",
)
MAKE_PROMPTS = (
    "{verb} {caption}.",
    "Please {verb_small} {caption}.",
    "I would like {noun_a}: {caption}.",
    "Can you {verb_small} {caption}?",
    "Give me {noun_a} of this: {caption}.",
    "Make {noun_a} for: {caption}.",
)
MAKE_REPLIES = ("Here it is: {caption}.", "Sure, {caption}.", "Here you are.", "Done: {caption}.", "As you asked.")
_NOUNS = {"image": "picture", "video": "clip", "audio": "sound"}
_VERBS = {"image": "Draw", "video": "Show", "audio": "Play"}


def read_media(record: Record, modality: str, prompts: Sequence[str] = READ_PROMPTS) -> Conversation:
    """For ``enc_align``: the medium and a prompt, then its caption."""
    prompt = choice_of(prompts, record.key, "read").format(noun=_NOUNS.get(modality, modality))
    return [user(Media(modality, member=media_member(record, modality)), prompt), assistant(caption_of(record))]


def make_media(
    record: Record,
    modality: str,
    prompts: Sequence[str] = MAKE_PROMPTS,
    replies: Sequence[str] = MAKE_REPLIES,
) -> Conversation:
    """For ``dec_align``: a request with the caption, then a reply with the medium as its target."""
    noun, verb = _NOUNS.get(modality, modality), _VERBS.get(modality, "Make")
    caption = caption_of(record)
    words = {"noun_a": f"a {noun}", "verb": verb, "verb_small": verb.lower(), "caption": caption.rstrip(".")}
    target = Media(modality, member=media_member(record, modality), caption=caption)
    request = choice_of(prompts, record.key, "make").format(**words)
    return [user(request), assistant(choice_of(replies, record.key, "reply").format(**words), target)]


def as_it_is(record: Record) -> Conversation:
    """For ``instruct``: the conversation that the record's ``json`` member holds under ``messages``."""
    data = _json(record)
    if "messages" not in data:
        raise RecordFault("bad_json", f"{record.key}.json: no key 'messages' among {', '.join(sorted(data))}")
    messages = from_json(data["messages"])
    for message in messages:
        for part in message.content:
            if isinstance(part, Media) and part.member and part.member not in record.names:
                found = ", ".join(record.names)
                raise RecordFault("missing_member", f"{record.key}: messages name {part.member!r}; it holds {found}")
            if isinstance(part, Media) and part.path:
                raise RecordFault("bad_messages", f"{record.key}: a path in a shard; store the medium as a member")
    return messages


def caption_of(record: Record) -> str:
    """The ``txt`` member, or ``caption`` in the ``json`` member, as published apart from white space around it."""
    if "txt" in record.members:
        try:
            caption = record.members["txt"].decode()
        except UnicodeDecodeError as error:
            raise RecordFault("bad_text", f"{record.key}.txt is not UTF-8: {error}") from error
    elif "json" in record.members:
        caption = _json(record).get("caption") or ""
    else:
        raise RecordFault("missing_member", f"{record.key}: neither txt nor json among {', '.join(record.names)}")
    if not isinstance(caption, str) or not caption.strip():
        raise RecordFault("empty_caption", f"{record.key}: the caption is empty")
    if not is_text(caption):
        raise RecordFault("bad_text", f"{record.key}: the caption holds half of a character")
    return caption.strip()


def media_member(record: Record, modality: str) -> str:
    """The name of the record's one member of a modality."""
    found = [name for name in record.names if name in MEDIA[modality].extensions]
    if len(found) != 1:
        wanted = ", ".join(MEDIA[modality].extensions)
        raise RecordFault(
            "missing_member",
            f"{record.key}: {len(found)} {modality} members, need one of {wanted}; it holds {', '.join(record.names)}",
        )
    return found[0]


def identity(recipe: Recipe) -> tuple[str, str]:
    """What a recipe does, as far as a digest can tell: its import path and the arguments it is bound to."""
    if isinstance(recipe, partial):
        return f"{recipe.func.__module__}.{recipe.func.__qualname__}", repr(
            (recipe.args, sorted(recipe.keywords.items()))
        )
    return f"{recipe.__module__}.{recipe.__qualname__}", ""


def _json(record: Record) -> dict:
    if "json" not in record.members:
        raise RecordFault("missing_member", f"{record.key}: no json among {', '.join(record.names)}")
    try:
        data = json.loads(record.members["json"])
    except (ValueError, RecursionError) as error:  # of the JSON or of its UTF-8; thousands of brackets
        raise RecordFault("bad_json", f"{record.key}.json: {error}") from error
    if not isinstance(data, dict):
        raise RecordFault("bad_json", f"{record.key}.json holds a {type(data).__name__}; expected an object")
    return data
