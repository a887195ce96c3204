import json
import pickle
from dataclasses import replace
from functools import partial

import pytest

from anyany.data import recipes
from anyany.data.cleaning import as_published, detokenized, nextgpt, tidy
from anyany.data.records import Record, RecordFault
from anyany.faults import UserError
from anyany.messages.types import Media, MessageError, Text, validate


def record(key="k", **members):
    content = {name.replace("_", "."): data for name, data in members.items()}
    return Record("s", "shard.tar", 0, key, {n: d for n, d in content.items() if n in ("txt", "json")}, tuple(content))


PAIR = record(jpg=b"", txt=b" two goats \n")


def test_reading_a_pair():
    user, assistant = recipes.read_media(PAIR, "image")
    media, prompt = user.content
    assert (media.modality, media.member) == ("image", "jpg")
    assert prompt.text in [prompt.format(noun="picture") for prompt in recipes.READ_PROMPTS]
    assert assistant.content == (Text("two goats"),)


def test_half_of_the_pairs_are_read_and_half_are_made():
    pairs = [replace(PAIR, key=str(number)) for number in range(400)]
    found = [recipes.read_or_make(pair, "image") for pair in pairs]
    made = [
        str(messages) == str(recipes.make_media(pair, "image")) for pair, messages in zip(pairs, found, strict=True)
    ]
    read = [
        str(messages) == str(recipes.read_media(pair, "image")) for pair, messages in zip(pairs, found, strict=True)
    ]
    assert all(one != other for one, other in zip(made, read, strict=True))
    assert 150 < sum(made) < 250
    assert list(map(str, found)) == [str(recipes.read_or_make(pair, "image")) for pair in pairs]


def test_making_a_pair():
    user, assistant = recipes.make_media(PAIR, "image")
    assert "two goats" in user.content[0].text
    assert "{" not in user.content[0].text
    reply, target = assistant.content
    assert isinstance(target, Media)
    assert (target.modality, target.member, target.caption) == ("image", "jpg", "two goats")
    assert "{" not in reply.text


CLEANED = {
    as_published: "Two  Goats &amp; a Cat .",
    tidy: "Two Goats & a Cat .",
    detokenized: "Two Goats & a Cat.",
    nextgpt: "two goats &amp a cat .",
}


@pytest.mark.parametrize("member", ["txt", "json"])
@pytest.mark.parametrize("clean", CLEANED)
def test_one_cleaning_for_text_and_target(clean, member):
    published = " Two  Goats &amp; a Cat .\n"
    data = published.encode() if member == "txt" else json.dumps({"caption": published}).encode()
    pair = record(jpg=b"", **{member: data})
    _, reading = recipes.read_media(pair, "image", clean=clean)
    assert reading.content == (Text(CLEANED[clean]),)
    request, reply = recipes.make_media(pair, "image", ("Make {caption}",), ("Here: {caption}",), clean)
    assert request.content == (Text(f"Make {CLEANED[clean]}"),)
    assert reply.content[0] == Text(f"Here: {CLEANED[clean]}")
    assert reply.content[1].caption == CLEANED[clean]


def test_captions_stand_as_published_unless_a_cleaning_is_named():
    assert recipes.read_media(record(jpg=b"", txt=b" a  &amp; b .\n"), "image")[1].content == (Text("a  &amp; b ."),)


@pytest.mark.parametrize(
    ("caption", "request_text", "reply_text"),
    [
        ("two goats", "Draw two goats.", "Two? two goats!"),
        ("A flock of fish swims in the depths.", "Draw A flock of fish swims in the depths.", None),
        ("famous trees can be found .", "Draw famous trees can be found .", None),
        ("is it a bird?", "Draw is it a bird?", "Two? is it a bird?"),
        ("goal!", "Draw goal!", "Two? goal!"),
        ("and then \u2026", "Draw and then \u2026", None),
        ("a {noun} and {} in braces", "Draw a {noun} and {} in braces.", None),
    ],
)
def test_a_caption_stands_to_the_letter_and_ends_its_sentence_once(caption, request_text, reply_text):
    pair = record(jpg=b"", txt=caption.encode())
    request, reply = recipes.make_media(pair, "image", ("{verb} {caption}.",), ("Two? {caption}!",))
    assert request.content == (Text(request_text),)
    assert reply.content[1].caption == caption
    if reply_text:
        assert reply.content[0] == Text(reply_text)


@pytest.mark.parametrize("members", [{"txt": b"two goats"}, {"json": b'{"caption": "two goats"}'}])
def test_a_pair_kept_as_text_gives_a_target_without_media(members):
    request, reply = recipes.make_media(record(**members), "image")
    assert "two goats" in request.content[0].text
    target = reply.content[1]
    assert (target.modality, target.member, target.caption) == ("image", None, "two goats")
    validate([request, reply])


def test_recipes_go_to_data_workers():
    recipe = partial(recipes.make_media, modality="image", clean=partial(tidy))
    (request, _), (again, _) = recipe(PAIR), pickle.loads(pickle.dumps(recipe))(PAIR)
    assert request == again


@pytest.mark.parametrize(
    ("recipe", "phrasings", "message"),
    [
        (recipes.read_media, {"prompts": []}, "no phrasings to read image with; give at least one"),
        (recipes.read_media, {"prompts": ["Say {it}."]}, "'Say {it}.' to read image: write words as {noun}, "),
        (recipes.read_media, {"prompts": ["{caption}"]}, "'{caption}' to read image"),  # would tell the answer
        (recipes.make_media, {"prompts": ["Make {caption.it}"]}, "'Make {caption.it}' to make image"),
        (recipes.make_media, {"replies": ["Here { {caption}"]}, "'Here { {caption}' to reply image"),
    ],
)
def test_phrasings_that_cannot_be_filled_in_end_the_run(recipe, phrasings, message):
    with pytest.raises(UserError) as caught:
        recipe(PAIR, "image", **phrasings)
    assert message in str(caught.value)


def test_phrasing_follows_from_the_key_and_varies_with_it():
    def prompt(key):
        return recipes.read_media(record(key, jpg=b"", txt=b"c"), "image")[0].content[1].text

    assert prompt("a") == prompt("a")
    assert {prompt(str(n)) for n in range(100)} == {p.format(noun="picture") for p in recipes.READ_PROMPTS}


@pytest.mark.parametrize(
    ("members", "caption"),
    [
        ({"txt": b"a"}, "a"),
        ({"json": b'{"caption": "b"}'}, "b"),
        ({"txt": b"a", "json": b'{"caption": "b"}'}, "a"),
        ({"txt": "ünïcödé 猫".encode()}, "ünïcödé 猫"),
    ],
)
def test_where_captions_come_from(members, caption):
    assert recipes.caption_of(record(**members)) == caption


def messages(*parts):
    content = [{"role": "user", "content": list(parts)}, {"role": "assistant", "content": "a"}]
    return json.dumps({"messages": content}).encode()


def test_a_conversation_as_it_is():
    data = messages({"type": "image", "member": "0.jpg"}, {"type": "text", "text": "b"})
    first, second = recipes.as_it_is(record(json=data, **{"0_jpg": b""}))
    assert [type(part) for part in first.content] == [Media, Text]
    assert second.content == (Text("a"),)


FAULTS = {
    "empty_caption": (recipes.caption_of, record(txt=b" \n")),
    "empty_caption in json": (recipes.caption_of, record(json=b'{"caption": null}')),
    "empty_caption when cleaned": (lambda r: recipes.caption_of(r, tidy), record(txt="\u200b&#8203; ".encode())),
    "empty_caption of marks": (lambda r: recipes.make_media(r, "image", clean=nextgpt), record(jpg=b"", txt=b'"(*)"')),
    "bad_text list": (recipes.caption_of, record(json=b'{"caption": ["a"]}')),
    "bad_text": (recipes.caption_of, record(txt=b"\xff\xfe")),
    "bad_text half": (recipes.caption_of, record(json=b'{"caption": "a cat \\ud83d"}')),
    "bad_json deep": (recipes.caption_of, record(json=b"[" * 100_000)),
    "bad_json": (recipes.caption_of, record(json=b"{")),
    "bad_json list": (recipes.caption_of, record(json=b"[]")),
    "bad_json without messages": (recipes.as_it_is, record(json=b'{"conversation": []}')),
    "missing_member text": (recipes.caption_of, record(jpg=b"")),
    "missing_member media": (lambda r: recipes.read_media(r, "image"), record(txt=b"a", wav=b"")),
    "missing_member to make": (lambda r: recipes.make_media(r, "image"), record(txt=b"a", wav=b"")),
    "missing_member unknown": (lambda r: recipes.make_media(r, "image"), record(txt=b"a", avif=b"")),
    "missing_member several": (lambda r: recipes.make_media(r, "image"), record(txt=b"a", jpg=b"", png=b"")),
    "missing_member no text": (lambda r: recipes.make_media(r, "image"), record(jpg=b"")),
    "missing_member named": (recipes.as_it_is, record(json=messages({"type": "image", "member": "9.jpg"}))),
    "bad_messages path": (recipes.as_it_is, record(json=messages({"type": "image", "path": "/etc/passwd"}))),
}


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_has_its_kind_and_names_the_record(case):
    function, bad = FAULTS[case]
    with pytest.raises(RecordFault, match="k") as caught:
        function(bad)
    assert caught.value.kind == case.split()[0]


def test_wrong_messages_are_message_errors():
    with pytest.raises(MessageError):
        recipes.as_it_is(record(json=b'{"messages": []}'))
