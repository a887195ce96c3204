import json

import pytest

from anyany.media.table import MEDIA, MediaSpec
from anyany.messages.types import Media, from_json, media_of
from anyany.microworld import levels, scenes
from anyany.microworld.levels import LEVELS
from anyany.microworld.oracles import ORACLES
from anyany.microworld.oracles.captions import read_caption, text_novel_pairs
from anyany.microworld.records import SETS, make_record
from anyany.microworld.scenes import SCENES, compare
from tests.microworld.scan import scan

CASES = [(set_name, level, split) for set_name in SETS for level in LEVELS for split in ("train", "test_novel")]


def decoded(name: str, data: bytes, level: str):
    modality = next(m for m, kind in MEDIA.items() if name.rpartition(".")[2] in kind.extensions)
    return modality, MEDIA[modality].decode(data, MediaSpec(LEVELS[level].num_frames))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_same_names_give_the_same_bytes(case):
    set_name, level, split = case
    first = [make_record(0, level, split, set_name, n) for n in range(3)]
    assert [make_record(0, level, split, set_name, n) for n in range(3)] == first
    assert make_record(1, level, split, set_name, 0) != first[0] != first[1]


@pytest.mark.parametrize("modality", SCENES)
def test_a_pair_is_one_scene_in_its_media_and_its_caption(modality):
    for number in range(20):
        members = make_record(0, "easy", "test_novel", modality, number)
        scene = scenes.from_json(json.loads(members["scene.json"]))
        (name,) = members.keys() - {"txt", "scene.json"}
        assert read_caption(members["txt"].decode(), modality) == scene
        assert all(compare(scene, ORACLES[modality](decoded(name, members[name], "easy")[1])).values())
        assert levels.novel_pairs(scene)


def test_a_dialogue_names_its_media_and_holds_their_scenes():
    num_media = 0
    for number in range(30):
        members = make_record(0, "easy", "train", "dialogue", number)
        told = json.loads(members["scene.json"])
        named = {part.member: part for part in media_of(from_json(json.loads(members["json"])["messages"]))}
        assert set(named) == set(told["scenes"]) == members.keys() - {"json", "scene.json"}
        for name, part in named.items():
            modality, media = decoded(name, members[name], "easy")
            assert modality == part.modality
            assert all(compare(scenes.from_json(told["scenes"][name]), ORACLES[modality](media)).values())
            num_media += 1
    assert num_media > 20


def test_kinds_of_text_held_out_are_in_a_set_of_their_own():
    def kinds(set_name):
        return {json.loads(make_record(0, "easy", "val", set_name, n)["scene.json"])["kind"] for n in range(60)}

    assert kinds("text_held_out") == {"sums_digits", "talk_facts"}
    assert not kinds("text") & kinds("text_held_out")


@pytest.mark.parametrize("set_name", SETS)
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_no_novel_pair_outside_its_split(set_name, split):
    for number in range(60):
        members = make_record(0, "easy", split, set_name, number)
        texts = [members["txt"].decode()] if "txt" in members else _texts(json.loads(members["json"])["messages"])
        assert not any(map(text_novel_pairs, texts)), texts
        assert not any(map(scan, texts)), texts
        told = json.loads(members["scene.json"])
        held = [told] if set_name in SCENES else list(told.get("scenes", {}).values())
        assert not any(levels.novel_pairs(scenes.from_json(scene)) for scene in held)


def test_texts_of_the_novel_split_hold_a_novel_pair():
    for number in range(60):
        texts = _texts(json.loads(make_record(0, "easy", "test_novel", "text", number)["json"])["messages"])
        assert any(map(text_novel_pairs, texts)), texts


def _texts(messages) -> list[str]:
    parts = [part for message in from_json(messages) for part in message.content]
    return [(part.caption or "") if isinstance(part, Media) else part.text for part in parts]
