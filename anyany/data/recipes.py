"""How a record becomes messages: one small function for what a stage asks of a pair, or a conversation as it is.

A recipe reads text members alone and names the media it wants, so that lengths can be counted and captions trained on
without opening any media. Where it chooses a phrasing it does so by the record's key: the same in every epoch and run.

A phrasing may hold {noun}, {noun_a} or {verb} and {verb_small}: picture, a picture, Draw, draw; where something is to
be made also {caption}, which then stands there to the letter as in the target.
"""

import json
import re
from collections.abc import Callable, Sequence

from anyany.data.cleaning import as_published
from anyany.data.records import Record, RecordFault
from anyany.faults import UserError
from anyany.media.table import MEDIA
from anyany.messages.types import Conversation, Media, assistant, from_json, is_text, user
from anyany.seeds import choice_of

Recipe = Callable[[Record], Conversation]
Clean = Callable[[str], str]  # one of anyany.data.cleaning
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
_ENDS = ".!?\u2026\u3002\uff01\uff1f"  # what ends a sentence
_NOUNS = {"image": "picture", "video": "clip", "audio": "sound"}
_VERBS = {"image": "Draw", "video": "Show", "audio": "Play"}


def read_media(
    record: Record, modality: str, prompts: Sequence[str] = READ_PROMPTS, clean: Clean = as_published
) -> Conversation:
    """For ``enc_align``: the medium and a prompt, then its caption."""
    caption = caption_of(record, clean)
    prompt = _phrased(prompts, record, "read", modality)
    return [user(Media(modality, member=media_member(record, modality)), prompt), assistant(caption)]


def make_media(
    record: Record,
    modality: str,
    prompts: Sequence[str] = MAKE_PROMPTS,
    replies: Sequence[str] = MAKE_REPLIES,
    clean: Clean = as_published,
) -> Conversation:
    """For ``dec_align``: a request with the caption, then a reply with the medium as its target.

    A pair that was kept as text, without any media, gives a target of its caption alone.
    """
    caption = caption_of(record, clean)
    kept_as_text = set(record.names) <= set(TEXT_EXTENSIONS)
    member = None if kept_as_text else media_member(record, modality)
    request = _phrased(prompts, record, "make", modality, caption)
    reply = _phrased(replies, record, "reply", modality, caption)
    return [user(request), assistant(reply, Media(modality, member=member, caption=caption))]


def read_or_make(record: Record, modality: str) -> Conversation:
    """For ``instruct``, beside conversations: half of the pairs are to be read and half to be made, by their keys."""
    is_read = choice_of((True, False), record.key, "read or make")
    return read_media(record, modality) if is_read else make_media(record, modality)


def as_it_is(record: Record) -> Conversation:
    """The conversation that the record's ``json`` member holds under ``messages``, for any stage.

    For ``instruct``, and for ``enc_align`` and ``dec_align`` where the pairs of a source were published as
    conversations with prompts of their own. Nothing is cleaned, neither text nor the captions of targets.
    """
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


def caption_of(record: Record, clean: Clean = as_published) -> str:
    """The ``txt`` member, or ``caption`` in the ``json`` member, cleaned."""
    if "txt" in record.members:
        try:
            caption = record.members["txt"].decode()
        except UnicodeDecodeError as error:
            raise RecordFault("bad_text", f"{record.key}.txt is not UTF-8: {error}") from error
    elif "json" in record.members:
        caption = _json(record).get("caption") or ""
    else:
        raise RecordFault("missing_member", f"{record.key}: neither txt nor json among {', '.join(record.names)}")
    if not isinstance(caption, str):
        raise RecordFault("bad_text", f"{record.key}.json: the caption is a {type(caption).__name__}, not a string")
    if not is_text(caption):
        raise RecordFault("bad_text", f"{record.key}: the caption holds half of a character")
    cleaned = clean(caption)
    if not cleaned.strip():
        left = f"after cleaning, was {caption[:80]!r}" if caption.strip() else "as it was stored"
        raise RecordFault("empty_caption", f"{record.key}: the caption is empty {left}")
    return cleaned


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


def _phrased(phrasings: Sequence[str], record: Record, use: str, modality: str, caption: str | None = None) -> str:
    """The phrasing that the record's key picks, filled in. A caption that ends a sentence needs no other mark."""
    noun, verb = _NOUNS.get(modality, modality), _VERBS.get(modality, "Make")
    words = {"noun": noun, "noun_a": f"a {noun}", "verb": verb, "verb_small": verb.lower()}
    if not phrasings:
        raise UserError(f"no phrasings to {use} {modality} with; give at least one")
    phrasing = choice_of(phrasings, record.key, use)
    if caption is not None:
        words["caption"] = caption
        if caption[-1] in _ENDS:
            phrasing = re.sub(r"(?<={caption})[.!?]", "", phrasing)
    try:
        return phrasing.format(**words)
    except (LookupError, ValueError, AttributeError) as error:  # no such word, or a bracket alone
        known = ", ".join(f"{{{word}}}" for word in words)
        raise UserError(f"the phrasing {phrasing!r} to {use} {modality}: write words as {known}") from error


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
