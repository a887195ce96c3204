from functools import partial

import pytest

from anyany.data.recipes import make_media, read_media
from anyany.evaluation.evaluator import NAMED, TURNS
from anyany.evaluation.items import SPLITS, dialogues, exchanged, exchanged_dialogues, held_out_texts, pairs, texts
from anyany.media.table import MEDIA, MediaSpec
from anyany.messages.types import Text, media_of
from anyany.microworld.dialogues import CASES
from anyany.microworld.levels import novel_pairs
from anyany.microworld.observations import without_observations
from anyany.microworld.oracles import ORACLES
from anyany.microworld.oracles.answers import is_right
from anyany.microworld.oracles.captions import read_caption
from anyany.microworld.records import make_record
from anyany.microworld.scenes import SCENES, compare
from anyany.microworld.texts import KINDS

NUM = 6


def reading(modality, split="test", number=NUM):
    return list(pairs(modality, "easy", split, number, partial(read_media, modality=modality)))


def making(modality, split="test", number=NUM):
    return list(pairs(modality, "easy", split, number, partial(make_media, modality=modality)))


def seen(medium):
    return ORACLES[medium.modality](MEDIA[medium.modality].decode(medium.data, MediaSpec()))


@pytest.mark.parametrize("modality", SCENES)
@pytest.mark.parametrize("split", SPLITS)
def test_what_is_shown_is_the_scene_that_the_answer_names(modality, split):
    for item in reading(modality, split):
        (medium,), (scene,) = media_of(item.messages), item.shown
        assert all(compare(scene, seen(medium)).values())
        assert item.answer["scene"]["modality"] == modality
        assert (item.targets, item.scenes, item.modalities) == ((), (), ())
        assert [message.role for message in item.messages] == ["user"]
        assert bool(novel_pairs(scene)) == (split == "test_novel")


@pytest.mark.parametrize("modality", SCENES)
@pytest.mark.parametrize("split", SPLITS)
def test_what_is_to_be_made_is_asked_for_in_words(modality, split):
    for item in making(modality, split):
        (target,), (scene,) = item.targets, item.scenes
        assert target.caption in item.messages[-1].content[0].text
        assert all(compare(scene, read_caption(target.caption, modality)).values())
        assert (item.answer, item.shown, item.modalities) == (None, (), (modality,))
        assert bool(novel_pairs(scene)) == (split == "test_novel")


def test_nothing_that_is_asked_stands_in_a_world_that_is_trained_on(record_property):
    asked = {item.targets[0].data for item in making("image", number=40)}
    trained = {make_record(0, "easy", split, "image", n)["jpg"] for split in ("train", "test") for n in range(40)}
    record_property("found", f"{len(asked)} pictures of the evaluation beside {len(trained)} of shards")
    assert not asked & trained


@pytest.mark.parametrize("case", [*NAMED, *TURNS])
def test_dialogues_are_told_turn_by_turn(case, record_property):
    assert case in CASES
    items = list(dialogues(case, "easy", "test_novel", NUM))
    assert sorted({item.group for item in items}) == list(range(NUM))
    record_property("found", f"{len(items)} turns in {NUM} dialogues of {case}")
    for item in items:
        assert item.messages[-1].role == "user"
        assert item.answer is not None or item.targets
        for medium, scene in zip(media_of(item.messages, "user"), item.shown, strict=True):
            assert all(compare(scene, seen(medium)).values())
        for medium, scene in zip(item.targets, item.scenes, strict=True):
            assert all(compare(scene, seen(medium)).values())
    if case in NAMED:
        assert {item.modalities for item in items} == {tuple(case.split(" to ")[1].split("+")[1:])}
    else:
        assert len(items) == NUM * {"two": 2, "three": 3, "four": 4}[case.split()[0]]


def test_what_is_asked_follows_from_its_name_alone():
    one, other = (list(dialogues(NAMED[0], "easy", "test_novel", 3)) for _ in range(2))
    assert [[part for part in m.content if isinstance(part, Text)] for i in one for m in i.messages] == [
        [part for part in m.content if isinstance(part, Text)] for i in other for m in i.messages
    ]
    assert [item.shown for item in one] == [item.shown for item in other]


def test_texts_are_of_every_kind_in_turn():
    kinds = [kind for kind in KINDS.values() if not kind.held_out]
    items = list(texts("easy", "test_novel", 2 * len(kinds)))
    assert len(items) == 2 * len(kinds)
    assert all(item.answer is not None and not item.modalities for item in items)
    assert not any(is_right("", item.answer) for item in items)


def test_held_out_texts_end_with_their_replies():
    conversations = held_out_texts("easy", 10)
    assert [[message.role for message in one] for one in conversations] == [["user", "assistant"]] * 10


def test_exchanged_items_show_what_another_shows():
    items = [*reading("image"), *reading("audio"), *making("video")]
    swapped = exchanged(items)
    assert 2 * NUM - 2 <= len(swapped) <= 2 * NUM  # what is to be made shows nothing
    for item in swapped:
        (medium,), (scene,) = media_of(item.messages), item.shown
        assert medium.modality == scene.modality
    read = [seen(next(media_of(item.messages))) for item in swapped]
    wrong = [not all(compare(item.shown[0], scene).values()) for item, scene in zip(swapped, read, strict=True)]
    assert sum(wrong) >= len(wrong) - 2  # one that says less may still fit


def test_an_item_that_no_other_differs_from_is_left_out():
    (item,) = reading("image", number=1)
    assert exchanged([item]) == []
    assert exchanged([item, item]) == []


def test_what_earlier_replies_saw_is_not_told_beside_other_media():
    items = list(dialogues("four turns", "easy", "test_novel", 30))

    def seen_before(some):
        earlier = [
            part.text
            for item in some
            for m in item.messages
            if m.role == "assistant"
            for part in m.content
            if isinstance(part, Text)
        ]
        return [text for text in earlier if without_observations(text) != text]

    assert len(seen_before(items)) > 20
    assert seen_before(exchanged(items)) == []


def test_exchanged_dialogues_keep_their_turns_together():
    groups = [item.group for item in exchanged(list(dialogues("four turns", "easy", "test_novel", 8)))]
    assert groups == sorted(groups)


@pytest.mark.parametrize(
    ("case", "wanted"), [("two turns", 20), ("text+image to text+audio", 20), ("text to text+image", 0)]
)
def test_as_many_dialogues_are_exchanged_as_are_asked_for(case, wanted):
    """A sixth of those of two turns show nothing; where something is only asked for, none does."""
    first = list(dialogues(case, "easy", "test_novel", 20))
    items = exchanged_dialogues(first, case, "easy", "test_novel", 20)
    assert len({item.group for item in items}) == wanted
    assert all(item.shown for item in items)


def test_dialogues_that_are_drawn_later_are_those_that_more_would_have_been():
    every = dialogues("two turns", "easy", "test_novel", 5)
    parts = [dialogues("two turns", "easy", "test_novel", 2), dialogues("two turns", "easy", "test_novel", 3, first=2)]
    whole, joined = (
        [(item.group, item.shown, item.scenes, [medium.data for medium in media_of(item.messages)]) for item in items]
        for items in (every, [item for part in parts for item in part])
    )
    assert joined == whole
    assert len(whole) == 10
