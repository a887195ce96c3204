"""Alpaca, LLaVA, VideoChat, T2M, MosIT and the reference system's conversations, in their published layouts."""

import json

import pytest

from data_prep import alpaca, llava, mosit, nextgpt, t2m, videochat
from data_prep.preparation.drafts import LeftOut
from data_prep.preparation.media_folder import MediaFolders
from tests.data_prep.sources import JPEG, MP4, WAV, messages, records, report, write

IMAGE0, IMAGE1 = ("image", "0.jpg", None), ("image", "1.jpg", None)


@pytest.fixture
def media(tmp_path):
    for name in ("a.jpg", "b.jpg", "coco/train2017/c.jpg", "COCO_train2014_d.jpg", "e.png"):
        write(tmp_path / "m" / name, JPEG + name.encode())
    write(tmp_path / "m" / "v.mp4", MP4)
    write(tmp_path / "m" / "s.wav", WAV)
    return MediaFolders((str(tmp_path / "m"),))


def said(*turns):
    """Turns of human and gpt, one after the other."""
    return [{"from": ("human", "gpt")[n % 2], "value": value} for n, value in enumerate(turns)]


def left_out(module, entry, media, keep_text=False):
    try:
        module.names(entry)
        module.record(entry, media, keep_text)
    except LeftOut as fault:
        return fault.kind
    return None


@pytest.mark.parametrize(
    ("entry", "asked"),
    [
        ({"instruction": "Add.", "input": "1 and 2", "output": "3"}, "Add.\n\n1 and 2"),
        ({"instruction": "Say <image> hi.", "input": "", "output": "3"}, "Say <image> hi."),
        ({"instruction": "Hi", "output": "3"}, "Hi"),
    ],
)
def test_alpaca(entry, asked, media):
    assert messages(alpaca.record(entry, media, False).members) == [("user", [asked]), ("assistant", ["3"])]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"instruction": "a", "input": "", "output": " "}, "empty_turn"),
        ({"instruction": "a", "input": None, "output": "b"}, "malformed"),
        ({"instruction": "a"}, "malformed"),
        (["a"], "malformed"),
        ({"instruction": "\ud83d", "input": "", "output": "b"}, "bad_text"),
    ],
)
def test_alpaca_leaves_out(entry, kind, media):
    assert left_out(alpaca, entry, media) == kind


LLAVA = {
    "first": ({"image": "a.jpg"}, ["<image>\nWhat?", "A."], [IMAGE0, "What?"]),
    "last": ({"image": "a.jpg"}, ["What?\n<image>", "A."], ["What?", IMAGE0]),
    "middle": ({"image": "a.jpg"}, ["Is <image> red?", "A."], ["Is ", IMAGE0, " red?"]),
    "none": ({"image": "a.jpg"}, ["What?", "A."], [IMAGE0, "What?"]),
    "list": ({"image": ["a.jpg", "b.jpg"]}, ["<image> or <image>?", "A."], [IMAGE0, "or ", IMAGE1, "?"]),
    "twice": ({"image": ["a.jpg", "a.jpg"]}, ["<image><image>", "A."], [IMAGE0, IMAGE0]),
    "folder": ({"image": "coco/train2017/c.jpg"}, ["<image>", "A."], [IMAGE0]),
    "coco 2014": ({"image": "d.jpg"}, ["<image>", "A."], [IMAGE0]),
    "other extension": ({"image": "e.jpg"}, ["<image>", "A."], [("image", "0.png", None)]),
    "video": ({"video": "v.mp4"}, ["<video>\nWhat?", "A."], [("video", "0.mp4", None), "What?"]),
    "video as image": ({"video": "v.mp4"}, ["<image>\nWhat?", "A."], [("video", "0.mp4", None), "What?"]),
    "text": ({}, ["What is <image> in HTML?", "A."], ["What is <image> in HTML?"]),
    "no image": ({"image": []}, ["Hi", "A."], ["Hi"]),
    "html beside a picture": ({"image": "a.jpg"}, ["<image> <video> tag?", "A."], [IMAGE0, "<video> tag?"]),
    "converted": ({"input_image": ["a.jpg"]}, ["<image>\nWhat?", "A."], [IMAGE0, "What?"]),
}


@pytest.mark.parametrize("case", LLAVA)
def test_llava_puts_each_picture_in_its_place(case, media):
    names, turns, first = LLAVA[case]
    draft = llava.record({"id": "1", **names, "conversations": said(*turns)}, media, False)
    assert messages(draft.members) == [("user", first), ("assistant", ["A."])]
    assert draft.notes == (["placeholder_added"] if case == "none" else [])
    assert len(draft.members) == 1 + len({part for part in first if isinstance(part, tuple)})


def test_llava_keeps_every_turn_and_later_pictures(media):
    turns = said("<image>\nOne?", "1", "And <image> this?", "2", "No more?", "3")
    draft = llava.record({"image": ["a.jpg", "b.jpg"], "conversations": turns}, media, False)
    assert messages(draft.members) == [
        ("user", [IMAGE0, "One?"]),
        ("assistant", ["1"]),
        ("user", ["And ", IMAGE1, " this?"]),
        ("assistant", ["2"]),
        ("user", ["No more?"]),
        ("assistant", ["3"]),
    ]
    assert draft.members["0.jpg"].endswith(b"a.jpg")
    assert draft.members["1.jpg"].endswith(b"b.jpg")


def test_turns_of_one_speaker_are_joined(media):
    turns = [{"from": "system", "value": "S"}, *({"from": "human", "value": v} for v in "ab"), *said("", "c")[1:]]
    draft = llava.record({"conversations": turns}, media, False)
    assert messages(draft.members) == [("system", ["S"]), ("user", ["a\nb"]), ("assistant", ["c"])]
    assert draft.notes == ["joined_turns"]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"image": ["a.jpg", "b.jpg"], "conversations": said("<image>", "A")}, "placeholder_mismatch"),
        ({"image": "a.jpg", "conversations": said("<image><image>", "A")}, "placeholder_mismatch"),
        ({"image": "a.jpg", "conversations": said("Q", "A <image>")}, "placeholder_mismatch"),
        ({"image": "gone.jpg", "conversations": said("<image>", "A")}, "missing_media"),
        ({"image": "../m/a.jpg", "conversations": said("<image>", "A")}, "unsafe_name"),
        ({"image": 5, "conversations": said("<image>", "A")}, "malformed"),
        ({"conversations": said("Q", "")}, "empty_turn"),
        ({"conversations": said("Q", "A")[1:]}, "bad_messages"),
        ({"conversations": [{"from": "alien", "value": "Q"}]}, "unknown_role"),
        ({"conversations": [{"from": "human", "value": 1}]}, "malformed"),
        ({"conversations": []}, "malformed"),
        ({"id": 1}, "malformed"),
        ("text", "malformed"),
    ],
)
def test_llava_lists_what_it_cannot_resolve(entry, kind, media):
    assert left_out(llava, entry, media) == kind
    assert left_out(llava, entry, media, keep_text=True) == kind  # a picture without a caption has no text to keep


def test_conversations_about_one_picture_get_keys_of_their_own(tmp_path, media):
    entry = {"id": "1", "image": "a.jpg", "conversations": said("<image>\nQ", "A")}
    listed = write(tmp_path / "l.json", [entry, entry, {**entry, "image": "gone.jpg"}])
    arguments = ["--list", str(listed), "--media", media.roots[0], "--out", str(tmp_path / "o"), "--val", "0"]
    assert llava.main([*arguments, "--workers", "1"]) == 0
    assert sorted(records(tmp_path / "o")) == ["000000000", "000000001"]
    assert report(tmp_path / "o")["left_out"] == {"missing_media": 1}


VIDEO = ("video", "0.mp4", None)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            {"video": "000001_000050/v.mp4", "QA": [{"q": "Q1", "a": "A1"}, {"q": "Q2", "a": "A2"}]},
            [("user", [VIDEO, "Q1"]), ("assistant", ["A1"]), ("user", ["Q2"]), ("assistant", ["A2"])],
        ),
        (
            {"video": "v.mp4", "QA": [{"i": "Do.", "q": "Q1", "a": "A1"}, {"i": "Do.", "q": "Q2", "a": "A2"}]},
            [("user", [VIDEO, "Do.\nQ1"]), ("assistant", ["A1"]), ("user", ["Q2"]), ("assistant", ["A2"])],
        ),
        (
            {"video": "v.mp4", "QA": [{"i": "Describe.", "q": "", "a": "A1"}]},
            [("user", [VIDEO, "Describe."]), ("assistant", ["A1"])],
        ),
        (
            {"image": "a.jpg", "QA": [{"i": "", "q": "Q", "a": "A"}]},
            [("user", [("image", "0.jpg", None), "Q"]), ("assistant", ["A"])],
        ),
        ({"video_id": "v", "q": "Q", "a": "A"}, [("user", [VIDEO, "Q"]), ("assistant", ["A"])]),
        (
            {"video": "v.mp4", "conversations": said("Q\n<video>", "A")},
            [("user", ["Q", VIDEO]), ("assistant", ["A"])],
        ),
    ],
)
def test_videochat(entry, expected, media):
    assert messages(videochat.record(entry, media, False).members) == expected


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"video": "v.mp4", "QA": []}, "malformed"),
        ({"video": "v.mp4", "QA": [{"q": "", "a": "A"}]}, "empty_turn"),
        ({"video": "v.mp4", "QA": [{"q": "Q"}]}, "malformed"),
        ({"video": "gone.mp4", "QA": [{"q": "Q", "a": "A"}]}, "missing_media"),
        ({"video": "v.mp4", "QA": [{"q": "Q", "a": "A"}], "start": 1.0, "end": 3.0}, "part_of_clip"),
        ({"QA": [{"q": "Q", "a": "A"}]}, "malformed"),
    ],
)
def test_videochat_leaves_out(entry, kind, media):
    assert left_out(videochat, entry, media) == kind


def request(key="mm_name", file="s.wav", modality="audio", caption="A dog barks", **more):
    human = {"from": "human", "value": "Play it.", "input_modality": "text"}
    gpt = {"from": "gpt", "value": "Here.", "caption": caption, "output_modality": modality}
    return {key: file, "output_modality": modality, "conversation": [human, gpt], **more}


@pytest.mark.parametrize("key", ["mm_name", "image_name", "audio_name"])
def test_t2m_takes_the_name_under_any_key(key, media):
    draft = t2m.record(request(key), media, False)
    target = ("audio", "0.wav", "A dog barks")
    assert messages(draft.members) == [("user", ["Play it."]), ("assistant", ["Here.", target])]
    assert draft.members["0.wav"] == WAV


def test_t2m_finds_audiocaps_sounds_by_their_number(media, tmp_path):
    write(tmp_path / "m" / "77.wav", WAV + b"77")
    draft = t2m.record(request("image_name", "t2x0010.wav", source_data={"audiocap_id": 77}), media, False)
    assert draft.members["0.wav"].endswith(b"77")


def test_t2m_keeps_the_caption_where_it_is_told_to(media):
    entry = request(file="https://host/1.wav")
    assert left_out(t2m, entry, media) == "missing_media"
    draft = t2m.record(entry, media, True)
    assert messages(draft.members)[1] == ("assistant", ["Here.", ("audio", None, "A dog barks")])
    assert list(draft.members) == ["json"]
    assert draft.notes == ["kept_as_text"]


def test_t2m_as_the_reference_system_prepares_it(media):
    entry = {
        "audio_captions": ["A dog barks"],
        "audio_caption_embeddings": ["1.npy"],
        "conversations": said("Q", "A <audio>"),
    }
    draft = t2m.record(entry, media, False)
    assert messages(draft.members)[1] == ("assistant", ["A", ("audio", None, "A dog barks")])
    assert draft.notes == ["target_by_caption"]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (request(modality="smell"), "malformed"),
        (request(caption=""), "missing_media"),
        ({**request(), "conversation": request()["conversation"] * 2}, "malformed"),
        ({"audio_captions": ["one", "two"], "conversations": said("Q", "A <audio>")}, "placeholder_mismatch"),
    ],
)
def test_t2m_leaves_out(entry, kind, media):
    entry = {**entry, "mm_name": "gone.wav"} if kind == "missing_media" else entry
    assert left_out(t2m, entry, media, keep_text=True) == kind


def mosit_entry(*turns, **lists):
    named = {
        f"{modality}_list": [
            {f"{modality}_name": name, "data_source": "mosit", "caption": caption} for name, caption in each
        ]
        for modality, each in lists.items()
    }
    return {"image_list": [], "video_list": [], "audio_list": [], **named, "conversation": said(*turns)}


def test_mosit_has_media_on_both_sides(media):
    entry = mosit_entry(
        "Look <Image>a.jpg</Image> and <Video>v.mp4</Video>",
        "Nice. <Audio>s.wav</Audio> And <image>b.jpg</image>!",
        image=[("a.jpg", "a cat"), ("b.jpg", "a dog"), ("z.jpg", "nobody's")],
        video=[("v.mp4", "waves")],
        audio=[("s.wav", "a bark")],
    )
    draft = mosit.record(entry, media, False)
    assert messages(draft.members) == [
        (
            "user",
            ["Look ", IMAGE0, " and", ("video", "1.mp4", None)],
        ),
        ("assistant", ["Nice. ", ("audio", "2.wav", "a bark"), " And ", ("image", "3.jpg", "a dog"), "!"]),
    ]
    assert draft.notes == ["unmarked_media"]


def test_mosit_keeps_captions_for_lost_media(media):
    entry = mosit_entry(
        "See <Image>mosit_i_0000000_00.jpg</Image>.",
        "Yes <Audio>mosit_a_0000000_01.wav</Audio>",
        image=[("mosit_i_0000000_00.jpg", "a cat")],
        audio=[("mosit_a_0000000_01.wav", "a bark")],
    )
    assert left_out(mosit, entry, media) == "missing_media"
    draft = mosit.record(entry, media, True)
    assert messages(draft.members) == [("user", ["See a cat."]), ("assistant", ["Yes", ("audio", None, "a bark")])]
    assert draft.notes == ["kept_as_text", "kept_as_text"]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (mosit_entry("a <Image>cat", "b"), "broken_mark"),
        (mosit_entry("a <Image></Image>", "b"), "broken_mark"),
        (mosit_entry("a <Image>x.jpg</Video>", "b"), "broken_mark"),
        (mosit_entry("a <Image>unlisted.jpg</Image>", "b"), "missing_media"),
        ({"image_list": {}, "conversation": said("a", "b")} | {"image_list": "x"}, "malformed"),
    ],
)
def test_mosit_leaves_out(entry, kind, media):
    assert left_out(mosit, entry, media, keep_text=True) == kind


def test_mosit_demonstrations(tmp_path, media):
    text = (
        "Dialogue 1\nHuman: Hi <Image>a red door</Image>\nGPT\uff1aLook:\n<Video>waves</Video>\nHuman:Thanks\n\n"
        "------------\nnobody says this\n-----\nHuman: Bye\n"
    )
    first, second, third = mosit.entries(write(tmp_path / "T_I.txt", text))
    draft = mosit.record(first, media, True)
    assert messages(draft.members) == [
        ("user", ["Hi a red door"]),
        ("assistant", ["Look:", ("video", None, "waves")]),
        ("user", ["Thanks"]),
    ]
    assert isinstance(second, LeftOut)
    assert third == {"conversation": [{"from": "human", "value": "Bye"}]}


def test_conversations_of_the_reference_system(media):
    comprehension = {"input_video": "v.mp4", "conversations": said("<video>\nWhat?", "Waves")}
    assert messages(nextgpt.record(comprehension, media, False).members)[0] == ("user", [VIDEO, "What?"])
    generation = {
        "output_image": ["a.jpg", "b.jpg"],
        "image_captions": ["a cat", "a dog"],
        "conversations": said("Draw", "One <image> two <image>"),
    }
    assert messages(nextgpt.record(generation, media, False).members)[1] == (
        "assistant",
        ["One ", ("image", "0.jpg", "a cat"), " two", ("image", "1.jpg", "a dog")],
    )
    both = {"input_image": "a.jpg", "output_audio": "s.wav", "audio_captions": "bark"}
    draft = nextgpt.record({**both, "conversations": said("<image> sounds?", "So <audio>")}, media, False)
    assert messages(draft.members) == [
        ("user", [IMAGE0, "sounds?"]),
        ("assistant", ["So", ("audio", "1.wav", "bark")]),
    ]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"output_image": ["a.jpg", "b.jpg"], "image_captions": ["one"]}, "malformed"),
        ({"output_image": "a.jpg", "image_captions": "x"}, "placeholder_mismatch"),
        ({"input_image": "a.jpg", "output_image": "b.jpg"}, "placeholder_mismatch"),
    ],
)
def test_conversations_of_the_reference_system_that_do_not_fit(more, kind, media):
    turns = said("<image> Q", "A") if "input_image" in more else said("Q", "A")
    assert left_out(nextgpt, {**more, "conversations": turns}, media) == kind


def test_json_of_a_conversation_holds_unicode_as_it_is(media):
    draft = alpaca.record({"instruction": "猫?", "output": "ünï"}, media, False)
    assert "猫?" in draft.members["json"].decode()
    assert json.loads(draft.members["json"])["messages"][1]["content"] == [{"type": "text", "text": "ünï"}]
