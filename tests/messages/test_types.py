import pytest

from anyany.messages.types import Media, Message, MessageError, Text, assistant, from_json, media_of, to_json, user

GOOD = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "image", "member": "0.jpg"}, {"type": "text", "text": "Beep as often."}]},
    {
        "role": "assistant",
        "content": [{"type": "text", "text": "Here."}, {"type": "audio", "member": "1.flac", "caption": "two beeps"}],
    },
]

# What is wrong, and what the error must name: the message, the part, the remedy.
BAD = {
    "no list": ({"role": "user"}, ["messages", "list"]),
    "none": ([], ["messages", "at least one"]),
    "no content": ([{"role": "user"}], ["message 0", "{role, content}"]),
    "unknown role": ([{"role": "human", "content": "hi"}], ["message 0", "human", "user"]),
    "two users": ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], ["message 1", "join"]),
    "assistant first": ([{"role": "assistant", "content": "a"}], ["message 0", "request"]),
    "late system": (
        [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}],
        ["message 1", "front"],
    ),
    "no parts": ([{"role": "user", "content": []}], ["message 0 (user)", "no parts"]),
    "empty text": ([{"role": "user", "content": ""}], ["message 0 (user), part 0", "empty text"]),
    "text no string": ([{"role": "user", "content": [{"type": "text", "text": 3}]}], ["part 0 (text)", "string"]),
    "text missing": ([{"role": "user", "content": [{"type": "text"}]}], ["part 0 (text)", "give a string"]),
    "half a character": ([{"role": "user", "content": "a cat \ud83d"}], ["part 0 (text)", "whole characters"]),
    "type no string": ([{"role": "user", "content": [{"type": ["image"]}]}], ["part 0", "['image']"]),
    "member no string": (
        [{"role": "user", "content": [{"type": "image", "member": {}}]}],
        ["part 0 (image)", "member"],
    ),
    "caption no string": (
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "image", "caption": 5}]}],
        ["message 1 (assistant), part 0 (image)", "caption is 5"],
    ),
    "bytes in plain data": (
        [{"role": "user", "content": [{"type": "image", "data": "AAA"}]}],
        ["part 0", "data", "path"],
    ),
    "unknown type": ([{"role": "user", "content": [{"type": "smell", "path": "a"}]}], ["part 0", "smell", "image"]),
    "unknown key": (
        [{"role": "user", "content": [{"type": "image", "pth": "a"}]}],
        ["message 0 (user), part 0 (image)", "pth", "path"],
    ),
    "held twice": (
        [{"role": "user", "content": [{"type": "image", "path": "a", "member": "b"}]}],
        ["part 0", "member and path", "exactly one"],
    ),
    "held nowhere": ([{"role": "user", "content": [{"type": "image"}]}], ["part 0", "one of", "member"]),
    "caption to read": ([{"role": "user", "content": [{"type": "image", "caption": "a"}]}], ["part 0", "one of"]),
    "media in system": (
        [{"role": "system", "content": [{"type": "image", "path": "a"}]}],
        ["message 0 (system), part 0", "user message"],
    ),
    "part no mapping": ([{"role": "user", "content": ["hi"]}], ["part 0", "{type, ...}"]),
}


def test_plain_data_comes_back_equal():
    data = [dict(GOOD[0], content=[{"type": "text", "text": "Be brief."}]), *GOOD[1:]]
    assert to_json(from_json(GOOD)) == data


def test_the_parts_are_typed():
    messages = from_json(GOOD)
    assert messages[0] == Message("system", (Text("Be brief."),))
    assert [part.modality for part in media_of(messages)] == ["image", "audio"]
    assert [part.caption for part in media_of(messages, "assistant")] == ["two beeps"]


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named_with_its_remedy(case):
    data, words = BAD[case]
    with pytest.raises(MessageError) as caught:
        from_json(data)
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_target_may_be_a_caption_alone():
    data = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "image", "caption": "b"}]}]
    (target,) = media_of(from_json(data))
    assert (target.modality, target.caption, target.member) == ("image", "b", None)


def test_media_in_memory_are_not_written_out():
    with pytest.raises(MessageError, match="message 0: image held in memory"):
        to_json([user(Media("image", data=b"x")), assistant("a")])
