import re

import pytest

from anyany.evaluation.evaluator import Answered, Task, figures_of
from anyany.evaluation.items import Item
from anyany.evaluation.page import page
from anyany.evaluation.report import report
from anyany.evaluation.scores import made as read_made
from anyany.evaluation.scores import of_attributes, of_dialogues
from anyany.figures import share
from anyany.messages.types import Media, Text, user
from anyany.microworld.levels import LEVELS
from anyany.microworld.records import render
from anyany.microworld.scenes import to_json
from anyany.models.generate import Reply, Wish
from anyany.seeds import rng_of
from tests.evaluation.test_scores import BLUE, RED, TONES, medium

ANSWER = {"scene": to_json(RED)}


def shown(scene):
    return Media(scene.modality, data=render(scene, LEVELS["easy"], rng_of("report")))


@pytest.fixture(scope="module")
def answered():
    reading = [Item([user(shown(RED), "What is <b>this</b>?")], ANSWER, shown=(RED,))]
    making = [Item([user("draw")], None, (Media("image", data=b""),), (scene,)) for scene in (RED, RED, RED)]
    talking = [Item([user(shown(TONES), "play")], None, (Media("audio", data=b""),), (TONES,), (TONES,))]
    tasks = [
        (
            Task("understanding.image.test", reading, lambda i, r: {"exact_match": share(1, 1)}),
            [Reply((Text("two red circles"),))],
        ),
        (
            Task("generation.image.test", making, lambda i, r: of_attributes(read_made, i, r)),
            [Reply((medium(RED),)), Reply((Text("Here & there"), medium(BLUE))), Reply((Wish("image"),))],
        ),
        (Task("dialogues.one case", talking, of_dialogues), [Reply((medium(TONES),))]),
        (Task("control.dialogues.one", talking, of_dialogues), [Reply(())]),
        (Task("text", [Item([user("hm")], {"text": "ah"})], lambda i, r: None), [Reply((Text("ah"),))]),
    ]  # fmt: skip
    return [Answered(task, replies, task.score(task.items, replies)) for task, replies in tasks]


def test_the_page_holds_every_figure_and_what_it_is_of(answered):
    figures = figures_of(answered) | {
        "forgotten": {"before": share(1, 2)},
        "cost": {"enc_align": {"seconds": share(1, 1)}},
    }
    figures["generation"]["image"]["test"]["alignment"] = {"content": share(1, 5), "predict_mean_content": share(4, 5)}
    text = report("a / b", "Level easy.", figures, answered)
    assert "http" not in text.replace("http-equiv", "")  # everything stands inside
    assert "<script" not in text
    for title in ("Understanding", "Generation", "Dialogues", "Control", "Routing", "Forgotten", "Cost"):
        assert f"<h2>{title}</h2>" in text
    assert "<b>0.333</b>" in text
    assert text.index("<th>content</th>") < text.index("<b>0.200</b>") < text.index("<b>0.800</b>")
    assert "What is &lt;b&gt;this&lt;/b&gt;?" in text
    assert "Here &amp; there" in text
    assert len(re.findall(r"<img", text)) >= 4
    assert len(re.findall(r"<audio", text)) == 3  # shown twice, played once
    assert "text right" in text
    assert "wrong color" in text
    assert "no decoder has made the image" in text
    assert "brings text, asked for audio" in text
    galleries = ["dialogues.one-case", "generation.image.test", "understanding.image.test", "control.dialogues.one"]
    assert re.findall(r"<h2 id='(.*?)'>", text) == galleries  # text counts for routing alone
    assert re.findall(r"<a href='#(.*?)'>", text) == galleries[:-1]


def test_what_was_not_measured_is_said():
    figures = {
        "dialogues": {},
        "routing": {"accuracy": share(1, 1), "complete": share(1, 1), "confusion": {"text": {"text": 1}}},
    }
    assert report("t", "x", figures, []).count("Not measured: the model has no such side.") == 4


def test_a_page_is_for_light_and_dark():
    text = page("a < b", "<p>body</p>")
    assert "<title>a &lt; b</title>" in text
    assert "color-scheme: light dark" in text
