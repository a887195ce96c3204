import pytest

from anyany.evaluation import asking
from anyany.evaluation.asking import SHOWN_ITEMS, always, ask, here
from anyany.evaluation.evaluator import NAMED, TURNS, Answered, Asked, Task, evaluate, figures_of, tasks
from anyany.evaluation.items import Item
from anyany.figures import share
from anyany.media.table import MEDIA, MediaSpec
from anyany.messages.types import Media, Text, user
from anyany.microworld.captions import caption
from anyany.microworld.scenes import SCENES, from_json
from anyany.models.generate import Reply, Wish
from anyany.seeds import rng_of, seed_of

NUM = 3
FEW = Asked("easy", NUM)


def right(item):
    """What must be said and brought."""
    text = []
    if item.answer is not None and "scene" in item.answer:
        text = [Text(caption(from_json(item.answer["scene"]), rng_of("right")))]
    elif item.answer is not None:
        text = [Text(str(item.answer.get("value", item.answer.get("text", ""))))]
    media = [Media(t.modality, tensor=MEDIA[t.modality].decode(t.data, MediaSpec())) for t in item.targets]
    return Reply((*text, *media))


class Answers:
    """Answers items by a rule, in place of a model."""

    preprocess = dict.fromkeys(SCENES, None)
    decoders = dict.fromkeys(SCENES, None)

    def __init__(self, items, rule):
        self.by_messages = {id(item.messages): item for item in items}
        self.rule, self.asked, self.wanted = rule, [], []

    def said(self, conversations, values, seeds):
        self.asked.append((len(conversations), list(seeds)))
        return [self.rule(self.by_messages[id(messages)]) for messages in conversations]

    def drawn(self, replies, seeds, is_wanted):
        self.wanted += [is_wanted(index, reply) for index, reply in enumerate(replies)]
        return replies


@pytest.fixture(scope="module")
def every():
    return list(tasks(FEW, list(SCENES), list(SCENES)))


@pytest.fixture(autouse=True)
def unopened(monkeypatch):
    monkeypatch.setattr(asking, "opened", lambda medium, preprocess: medium)


def answered(every, rule):
    answers = Answers([item for task in every for item in task.items], rule)
    return evaluate(here(answers), every, 0, lambda number: None)


def test_all_is_asked(every, record_property):
    names = [task.name for task in every]
    record_property("found", f"{len(names)} tasks of {NUM} items")
    assert len(set(names)) == len(names)
    for modality in SCENES:
        for split in ("test", "test_novel"):
            assert {f"understanding.{modality}.{split}", f"generation.{modality}.{split}"} <= set(names)
        assert f"control.understanding.{modality}" in names
    assert {f"dialogues.{case}" for case in (*NAMED, *TURNS)} <= set(names)
    assert f"control.dialogues.{NAMED[0]}" in names
    assert f"control.dialogues.{NAMED[3]}" not in names  # shows nothing
    assert "text" in names


def test_what_needs_a_side_that_is_not_there_is_left_out():
    names = [task.name for task in tasks(FEW, ["image"], ["audio"])]
    assert [name for name in names if "understanding" in name] == [
        "understanding.image.test", "understanding.image.test_novel", "control.understanding.image"
    ]  # fmt: skip
    assert [name for name in names if "generation" in name] == ["generation.audio.test", "generation.audio.test_novel"]
    assert [name for name in names if name.startswith("dialogues")] == [f"dialogues.{NAMED[0]}"]
    assert not [task.name for task in tasks(FEW, list(SCENES), ["image"]) if NAMED[0] in task.name]  # reads it alone
    assert [task.name for task in tasks(FEW, [], [])] == ["text"]


def test_right_replies_have_all_figures_at_one_and_empty_ones_at_nothing(every):
    figures = figures_of(answered(every, right))
    for modality in SCENES:
        for split in ("test", "test_novel"):
            assert figures["understanding"][modality][split]["exact_match"] == share(NUM, NUM)
            assert figures["generation"][modality][split]["all_right"] == share(NUM, NUM)
    assert {case: figures["dialogues"][case] for case in NAMED} == dict.fromkeys(NAMED, share(NUM, NUM))
    assert figures["routing"]["accuracy"].value == 1.0
    nothing = figures_of(answered(every, lambda item: Reply(())))
    assert nothing["understanding"]["image"]["test"]["exact_match"].value == 0.0
    assert nothing["generation"]["audio"]["test_novel"]["all_right"].value == 0.0
    assert all(figure.value == 0.0 for figure in nothing["dialogues"].values())
    texts = sum(counts["text"] for asked, counts in nothing["routing"]["confusion"].items() if asked == "text")
    assert nothing["routing"]["accuracy"] == share(texts, nothing["routing"]["accuracy"].n)


def test_controls_do_not_count_in_routing(every):
    found = figures_of(answered(every, right))["routing"]["accuracy"]
    assert found.n == sum(len(task.items) for task in every if not task.name.startswith("control"))


def test_replies_that_were_cut_off_are_counted(every):
    cut = figures_of(answered(every, lambda item: Reply((), is_complete=not item.shown)))["routing"]
    plain = [item for task in every if not task.name.startswith("control") for item in task.items]
    assert cut["complete"] == share(sum(not item.shown for item in plain), len(plain))
    assert 0 < cut["complete"].value < 1


def test_each_item_has_a_seed_of_its_own_wherever_batches_end(monkeypatch):
    items, told = [Item([user(str(index))]) for index in range(7)], []
    monkeypatch.setattr(asking, "BATCH", 3)
    answers = Answers(items, lambda item: Reply((item.messages[0].content[0],)))
    lists = list(ask(here(answers), [(items, always), (items[:2], always)], 11, told=told.append))
    assert [[reply.text for reply in replies] for replies in lists] == [[str(n) for n in range(7)], ["0", "1"]]
    assert told == [3, 3, 1, 2] == [number for number, _ in answers.asked]
    assert [seed for _, seeds in answers.asked for seed in seeds] == [
        seed_of("evaluate", 11, index) for index in (*range(7), 0, 1)
    ]


def test_what_cannot_be_right_is_not_drawn_but_for_what_a_page_shows(monkeypatch):
    monkeypatch.setattr(asking, "BATCH", 5)
    items = [Item([user(str(index))], group=index) for index in range(SHOWN_ITEMS + 8)]
    answers = Answers(items, lambda item: Reply(item.messages[0].content))
    list(ask(here(answers), [(items, lambda item, reply: reply.text in ("3", "15", "18"))], 0))
    assert [n for n, wanted in enumerate(answers.wanted) if wanted] == [*range(SHOWN_ITEMS), 15, 18]


def test_a_dialogue_that_failed_in_one_turn_is_not_drawn_in_the_others():
    items = [Item([user(str(index))], group=index // 2) for index in range(SHOWN_ITEMS + 6)]
    answers = Answers(items, lambda item: Reply(item.messages[0].content))
    list(ask(here(answers), [(items, lambda item, reply: reply.text != "14")], 0))
    assert [n for n, wanted in enumerate(answers.wanted) if not wanted] == [14, 15]


def test_drawing_is_spared_where_it_decides_nothing(every, record_property):
    """Of dialogues whose text or kind of media is wrong, never of what is to be drawn alone."""
    number = 0
    for task in every:
        is_dialogue = task.name.removeprefix("control.").startswith("dialogues")
        for item in (item for item in task.items if item.targets):
            said = item.reply.content if item.reply else right(item).parts
            undrawn = tuple(Wish(part.modality) if isinstance(part, Media) else part for part in said)
            assert task.worth(item, Reply(undrawn))
            assert task.worth(item, Reply(())) == (not is_dialogue)
            number += 1
    record_property("found", f"{number} requests for media")


def test_figures_nest_by_the_dots_of_their_names():
    task = Task("generation.image.test", [Item([user("?")])], lambda items, replies: None)
    found = figures_of([Answered(task, [Reply(())], {"all_right": share(0, 1)})])
    assert found["generation"] == {"image": {"test": {"all_right": share(0, 1)}}}
