import re
from collections import Counter
from functools import cache

import pytest

from anyany.media.table import MEDIA
from anyany.messages.types import Media, Text, media_of, to_json, validate
from anyany.microworld import dialogues, turns
from anyany.microworld.dialogues import CASES, main_scene, sample_dialogue
from anyany.microworld.levels import LEVELS, novel_pairs, sample_scene
from anyany.microworld.oracles.answers import is_right
from anyany.microworld.oracles.captions import read_caption, text_novel_pairs
from anyany.microworld.scenes import SCENES, attributes
from anyany.microworld.turns import EXTENSIONS
from anyany.microworld.wishing import dependent, fits
from anyany.seeds import rng_of
from tests.microworld.scan import scan

EVERY = [(level, case) for level in LEVELS for case in CASES]
NAMED = (
    "text+image to text+audio",
    "text+video to text+audio",
    "text+image to text+image+video",
    "text to text+image+video+audio",
)
DEPENDENT = [case for case in CASES if re.fullmatch(r"text\+\w+ to text\+.+", case)]


@cache
def draws(level, case, number, novel=False):
    return [sample_dialogue(LEVELS[level], rng_of("dialogues", level, case, i), novel, case) for i in range(number)]


def texts_of(dialogue):
    parts = [part for message in dialogue.messages for part in message.content]
    return [text for part in parts if (text := part.text if isinstance(part, Text) else part.caption)]


def test_the_named_cases_are_there_and_every_pair_of_modalities(record_property):
    record_property("found", f"{len(CASES)} cases of dialogues, {len(DEPENDENT)} of which depend on media")
    assert set(NAMED) <= set(CASES)
    assert len(DEPENDENT) == 9 + 1
    assert len(CASES) == 1 + 3 + 3 + 9 + 6 + 6 + 1 + 1 + 3


def test_a_reply_with_a_medium_ends_there_about_as_often_as_not(record_property):
    """Of single turns, by what a reply has brought so far; had it a habit, a model would take it up."""
    ended, went_on = Counter(), Counter()
    for case in (case for case in CASES if " to " in case):
        brought = [name for name in case.partition(" to ")[2].split("+") if name in SCENES]
        went_on.update(range(1, len(brought)))
        ended[len(brought)] += 1
    record_property("found", f"{went_on[1]} go on behind the first, {went_on[2]} behind the second")
    assert (ended[1], went_on[1]) == (3 + 9, 6 + 6 + 1)
    assert (ended[2], went_on[2]) == (6 + 1, 6)


@pytest.mark.parametrize(("level", "case"), EVERY)
def test_a_dialogue_is_well_formed(level, case):
    for dialogue in draws(level, case, 25):
        validate(dialogue.messages)
        media = list(media_of(dialogue.messages))
        assert [m.member for m in media] == [f"{i}.{EXTENSIONS[m.modality]}" for i, m in enumerate(media)]
        assert [m.member for m in media] == list(dialogue.scenes)
        assert all(dialogue.scenes[m.member].modality == m.modality for m in media)
        assert len(dialogue.messages) // 2 in range(1, 5)
        for message in dialogue.messages:
            for part in message.content:
                assert isinstance(part, Text) or (part.caption is not None) == (message.role == "assistant")


@pytest.mark.parametrize("case", [case for case in CASES if " to " in case])
def test_a_case_brings_and_gives_what_its_name_says(case):
    shown, given = (part.split("+")[1:] for part in case.split(" to "))
    for dialogue in draws("standard", case, 20):
        assert len(dialogue.messages) == 2
        assert [m.modality for m in media_of(dialogue.messages, "user")] == shown
        assert [m.modality for m in media_of(dialogue.messages, "assistant")] == given


@pytest.mark.parametrize(("case", "number"), [("two turns", 2), ("three turns", 3), ("four turns", 4)])
def test_dialogues_of_several_turns_have_media_and_mix_modalities(case, number):
    mixes = set()
    for dialogue in draws("easy", case, 200):
        assert len(dialogue.messages) == 2 * number
        assert dialogue.scenes
        mixes.add(frozenset(scene.modality for scene in dialogue.scenes.values()))
    assert len(mixes) >= 6


@pytest.mark.parametrize(("level", "case"), EVERY)
def test_every_scene_says_what_scenes_of_the_level_say(level, case):
    spec = LEVELS[level]
    drawn = [sample_scene(m, spec, rng_of("said", level, m, i)) for m in SCENES for i in range(100)]
    possible = {m: {frozenset(attributes(scene)) for scene in drawn if scene.modality == m} for m in SCENES}
    for dialogue in draws(level, case, 25):
        for scene in dialogue.scenes.values():
            assert frozenset(attributes(scene)) in possible[scene.modality]
            assert fits(scene, spec)


@pytest.mark.parametrize(("level", "case"), EVERY)
def test_replies_name_what_they_give_in_order(level, case):
    for dialogue in draws(level, case, 25):
        for message in dialogue.messages[1::2]:
            given = [part for part in message.content if isinstance(part, Media)]
            said = " ".join(part.text for part in message.content if isinstance(part, Text))
            if given:
                sentences = re.split(r"(?<=[.!]) ", said)[-len(given) :]
                for part, text in zip(given, sentences, strict=True):
                    assert read_caption(text, part.modality) == dialogue.scenes[part.member], said
                    assert read_caption(part.caption, part.modality) == dialogue.scenes[part.member]
            else:
                assert is_right(said, dialogue.answers[dialogue.messages.index(message)])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("modality", SCENES)
def test_requests_that_need_no_look_name_all_they_want(level, modality):
    for dialogue in draws(level, f"text to text+{modality}", 50):
        (request,), (wanted,) = dialogue.messages[0].content, dialogue.scenes.values()
        assert read_caption(request.text, modality) == wanted


@pytest.mark.parametrize("case", DEPENDENT)
def test_what_a_dependent_case_wants_is_such_a_wish(case, monkeypatch):
    """The request of a dialogue is that of its wishes, and what it gives is what they grant."""
    made = []

    def recorded(source, *arguments):
        wish, request = dependent(source, *arguments)
        made.append((source, wish, request))
        return wish, request

    monkeypatch.setattr(turns, "dependent", recorded)
    for index in range(40):
        dialogue = sample_dialogue(LEVELS["easy"], rng_of("recorded", case, index), case=case)
        source, *given = dialogue.scenes.values()
        last = made[-len(given) :]
        asked = " ".join(part.text for part in dialogue.messages[0].content if isinstance(part, Text)).lower()
        assert all(scene == source for scene, _, _ in last)
        assert all(request.lower().rstrip(".") in asked for _, _, request in last)
        assert [wish.grant(source) for _, wish, _ in last] == given


@pytest.mark.parametrize(("level", "case"), EVERY)
def test_train_like_dialogues_hold_no_novel_pair(level, case):
    for dialogue in draws(level, case, 25):
        assert not any(map(novel_pairs, dialogue.scenes.values()))
        assert not any(map(text_novel_pairs, texts_of(dialogue)))


@pytest.mark.parametrize(("level", "case"), EVERY)
def test_train_like_dialogues_hold_no_novel_pair_by_a_plain_scan(level, case):
    assert not [text for d in draws(level, case, 100) for text in texts_of(d) if scan(text)]


@pytest.mark.parametrize("level", LEVELS)
def test_a_novel_dialogue_without_media_holds_a_novel_pair_in_its_text(level):
    for dialogue in draws(level, "text to text", 60, novel=True):
        assert any(map(text_novel_pairs, texts_of(dialogue)))


def test_what_is_shown_is_not_to_be_said_again():
    """Shown media have no words yet, so none can be other ones; a description has."""
    for modality in SCENES:
        asked = {texts_of(dialogue)[0].lower() for dialogue in draws("easy", f"text+{modality} to text", 100)}
        assert any("describe" in text for text in asked)
        assert not any("other words" in text for text in asked)


def test_what_is_written_can_be_read():
    for modality, extension in EXTENSIONS.items():
        assert extension in MEDIA[modality].extensions


@pytest.mark.parametrize(("level", "case"), [(level, case) for level, case in EVERY if case != "text to text"])
def test_the_main_scene_of_a_novel_dialogue_holds_a_novel_pair(level, case):
    for dialogue in draws(level, case, 20, novel=True):
        given = list(media_of(dialogue.messages, "assistant")) or list(media_of(dialogue.messages))
        assert main_scene(dialogue) == dialogue.scenes[given[0].member]
        assert novel_pairs(main_scene(dialogue))


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_dialogue(case):
    one, again = (draws.__wrapped__("hard", case, 10) for _ in range(2))
    assert [to_json(d.messages) for d in one] == [to_json(d.messages) for d in again]
    assert [(d.scenes, d.answers) for d in one] == [(d.scenes, d.answers) for d in again]
    assert len({str(dialogue) for dialogue in one}) >= 9


def test_any_case_is_drawn_where_none_is_asked_for():
    seen = {sample_dialogue(LEVELS["easy"], rng_of("any", i)).case for i in range(200)}
    assert seen == set(dialogues.CASES)
