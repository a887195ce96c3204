import json

import pytest

from anyany.evaluation.items import Item
from anyany.evaluation.scores import (
    as_json,
    is_all_right,
    made,
    may_be_right,
    names_another,
    of_attributes,
    of_dialogues,
    of_routing,
    read_medium,
    understood,
)
from anyany.figures import share
from anyany.media.table import MEDIA, MediaSpec
from anyany.messages.types import Media, Text, user
from anyany.microworld.levels import LEVELS
from anyany.microworld.records import render
from anyany.microworld.scenes import Beeps, Group, Picture, Sound, Unreadable
from anyany.models.generate import Reply, Wish
from anyany.seeds import rng_of

RED = Picture((Group(2, "red", "circle"),))
BLUE = Picture((Group(2, "blue", "circle"),))
TONES = Sound((Beeps(2, "tone", "low"),))


def medium(scene):
    data = render(scene, LEVELS["easy"], rng_of("scores"))
    return Media(scene.modality, tensor=MEDIA[scene.modality].decode(data, MediaSpec()))


def asked_for(*scenes, answer=None, group=0):
    targets = tuple(Media(scene.modality, data=b"") for scene in scenes)
    return Item([user("go")], answer, targets, scenes, group=group)


def said(*parts):
    return Reply(tuple(Text(part) if isinstance(part, str) else part for part in parts))


def test_a_reply_is_understood_by_its_words():
    item = Item([user("what?")], shown=(TONES, RED))
    assert understood(item, said("Two red circles.")) == {"number": True, "color": True, "shape": True, "count": True}
    assert understood(item, said("Two blue circles.")) == {"number": True, "color": False, "shape": True, "count": True}
    assert not any(understood(item, said("What a day!")).values())
    assert not any(understood(item, said("Two low tones.")).values())


def test_a_medium_is_read_by_its_oracle():
    assert made(asked_for(RED), said("Here.", medium(RED))) == dict.fromkeys(
        ("number", "color", "shape", "count"), True
    )
    assert made(asked_for(RED), said(medium(BLUE)))["color"] is False
    assert made(asked_for(RED), said(medium(TONES), medium(RED)))["color"] is True  # the first of its modality
    for nothing in (said("Here."), said(medium(TONES)), said(Wish("image", caption="two red circles"))):
        assert not any(made(asked_for(RED), nothing).values())
    assert read_medium(RED, []) == Unreadable("the reply brings no image")


@pytest.mark.parametrize(
    ("reply", "right"),
    [
        (said("yes", medium(RED), medium(TONES)), True),
        (said(medium(RED), "yes", medium(TONES)), True),
        (said("no", medium(RED), medium(TONES)), False),
        (said("yes", medium(TONES), medium(RED)), False),
        (said("yes", medium(RED)), False),
        (said("yes", medium(RED), medium(TONES), medium(TONES)), False),
        (said("yes", medium(BLUE), medium(TONES)), False),
        (said("yes", Wish("image"), Wish("audio")), False),
    ],
)
def test_all_is_right_where_text_media_and_order_are(reply, right):
    item = asked_for(RED, TONES, answer={"attribute": "yes or no", "value": "yes"})
    assert is_all_right(item, reply) is right


@pytest.mark.parametrize(
    ("reply", "may_be"),
    [
        (said("yes", Wish("image"), Wish("audio")), True),
        (said("yes", medium(RED), Wish("audio")), True),
        (said("yes", medium(RED), medium(TONES)), True),
        (said("yes", medium(BLUE), Wish("audio")), False),
        (said("yes", Wish("image"), medium(BLUE)), False),
        (said("no", Wish("image"), Wish("audio")), False),
        (said("yes", Wish("audio"), Wish("image")), False),
        (said("yes", Wish("image")), False),
    ],
)
def test_what_is_not_drawn_yet_may_be_right(reply, may_be):
    item = asked_for(RED, TONES, answer={"attribute": "yes or no", "value": "yes"})
    assert may_be_right(item, reply) is may_be


@pytest.mark.parametrize(
    ("text", "another"),
    [
        ("Sure! Here are two red circles.And here are two low tones.", False),
        ("Here are two red circles. And here are two low tones.", False),
        ("I see two blue circles. Here are two red circles.And here are two low tones.", False),
        ("I see two red circles. Here are two blue circles.And here are two low tones.", True),
        ("Here are two blue circles.And here are two low tones.", True),
        ("Here are two red circles.And here are two high tones.", True),
        ("Here are two low tones.And here are two red circles.", True),
        ("Here you are.", False),
        ("Here are two blue circles.", False),  # one sentence for two media: which one cannot be told
        ("", False),
    ],
)
def test_a_reply_may_name_another_thing_than_it_should_bring(text, another):
    item, reply = asked_for(RED, TONES), said(text, Wish("image"), Wish("audio"))
    assert names_another(item, reply) is another
    assert may_be_right(item, reply) is not another
    assert is_all_right(item, said(text, medium(RED), medium(TONES))) is not another


def test_a_dialogue_is_right_where_every_turn_is():
    items = [asked_for(answer={"text": "one"}, group=group) for group in (0, 0, 1, 2, 2)]
    replies = [said(word) for word in ("one", "one", "one", "one", "two")]
    assert of_dialogues(items, replies) == share(2, 3)


def test_routing_by_hand():
    items = [asked_for(), asked_for(), asked_for(RED), asked_for(RED, TONES), asked_for(RED, TONES)]
    replies = [said("a"), said(Wish("image")), said(Wish("image")), said(Wish("image"), Wish("audio")), said(
        Wish("audio"), Wish("image")
    )]  # fmt: skip
    accuracy, confusion = of_routing(items, replies)
    assert accuracy == share(3, 5)
    assert confusion == {
        "text": {"text": 1, "image": 1},
        "image": {"image": 1},
        "image+audio": {"image+audio": 1, "audio+image": 1},
    }


def test_shares_of_attributes():
    items = [Item([user("what?")], shown=(RED,))] * 4
    replies = [said(text) for text in ("two red circles", "two blue circles", "one red circle", "well")]
    figures = of_attributes(understood, items, replies)
    assert figures.pop("all_right") == share(1, 4)
    assert figures == {name: share(hits, 4) for name, hits in {"number": 2, "color": 2, "shape": 3, "count": 3}.items()}


def test_figures_become_plain_data():
    nested = {"a": {"b": share(1, 2)}, "confusion": {"text": {"text": 3}}}
    plain = json.loads(json.dumps(as_json(nested)))
    assert plain["a"]["b"].keys() == {"value", "low", "high", "n"}
    assert plain["confusion"] == {"text": {"text": 3}}
