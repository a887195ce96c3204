import json

import pytest

from anyany.data import recipes
from anyany.data.records import Record, RecordFault
from anyany.messages.types import Media, MessageError, Text


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


def test_making_a_pair():
    user, assistant = recipes.make_media(PAIR, "image")
    assert "two goats" in user.content[0].text
    assert "{" not in user.content[0].text
    reply, target = assistant.content
    assert isinstance(target, Media)
    assert (target.modality, target.member, target.caption) == ("image", "jpg", "two goats")
    assert "{" not in reply.text


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
    "bad_text": (recipes.caption_of, record(txt=b"\xff\xfe")),
    "bad_text half": (recipes.caption_of, record(json=b'{"caption": "a cat \\ud83d"}')),
    "bad_json deep": (recipes.caption_of, record(json=b"[" * 100_000)),
    "bad_json": (recipes.caption_of, record(json=b"{")),
    "bad_json list": (recipes.caption_of, record(json=b"[]")),
    "bad_json without messages": (recipes.as_it_is, record(json=b'{"conversation": []}')),
    "missing_member text": (recipes.caption_of, record(jpg=b"")),
    "missing_member media": (lambda r: recipes.read_media(r, "image"), record(txt=b"a", wav=b"")),
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
