"""The page of an evaluation: figures, and what was asked and answered, in one file with its media inside."""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anyany.evaluation.asking import SHOWN_ITEMS
from anyany.evaluation.evaluator import EXACT_MATCH, Answered
from anyany.evaluation.items import Item
from anyany.evaluation.oracles import ALL_RIGHT
from anyany.evaluation.page import page, shown, verdict
from anyany.evaluation.scores import is_all_right, names_another, read_medium
from anyany.figures import Figure
from anyany.media.table import MEDIA, MediaSpec
from anyany.messages.types import Media, Part, Text
from anyany.microworld.oracles.answers import is_right
from anyany.models.generate import Reply, Wish

GALLERIES = ("dialogues", "generation", "understanding", "control")


def report(title: str, told: str, figures: Mapping[str, Any], answered: Sequence[Answered]) -> str:
    """
    Args:
        told: a sentence or two on what was evaluated.
        figures: as in the scoreboard, with a Figure at each end.
    """
    galleries = sorted((one for one in answered if one.figures is not None), key=_place)
    sections = [f"<p>{html.escape(told)}</p>", _contents(galleries), *_figures(figures), *map(_gallery, galleries)]
    return page(title, "\n".join(sections))


def _place(answered: Answered) -> int:
    """Of its gallery: what dialogues brought comes first."""
    return GALLERIES.index(answered.task.name.partition(".")[0])


def _contents(galleries: Sequence[Answered]) -> str:
    names = [one.task.name for one in galleries if not one.task.name.startswith("control")]
    if not names:
        return ""
    links = [f"<a href='#{_anchor(name)}'>{html.escape(name.replace('.', ': ', 1))}</a>" for name in names]
    return f"<nav>What was asked and what came, the first {SHOWN_ITEMS} of each: {', '.join(links)}</nav>"


def _anchor(name: str) -> str:
    """Without the spaces that an id may not hold."""
    return html.escape(name.replace(" ", "-"))


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>Understanding</h2><p>Share of replies from which the caption oracle reads the whole scene.</p>"
    yield _table(_by_split(figures.get("understanding", {}), (EXACT_MATCH,)))
    yield "<h2>Generation</h2><p>Share of media in which the oracle reads all that was asked for; the ceiling is the"
    yield "decoder asked through its own text encoder, in float32, the floor what it makes of the mean"
    yield "conditioning.</p>"
    yield _table(_by_split(figures.get("generation", {}), (ALL_RIGHT, "ceiling", "floor")))
    yield from _alignment(figures.get("generation", {}))
    yield "<h2>Dialogues</h2><p>Share in which every turn is right, each behind the right replies to those before it;"
    yield "in the control, with another item's media, which leaves chance: one thing that depends on what is shown is"
    yield "guessed right in about half of the cases at most, several are more seldom.</p>"
    control = figures.get("control", {}).get("dialogues", {})
    rows = [
        (case, {"all turns right": f, "control": control.get(case)}) for case, f in figures.get("dialogues", {}).items()
    ]
    yield _table(rows)
    yield "<h2>Control</h2><p>Understanding with another item's medium in place of each, which leaves chance.</p>"
    understanding = figures.get("control", {}).get("understanding", {})
    yield _table([(modality, {EXACT_MATCH: found[EXACT_MATCH]}) for modality, found in understanding.items()])
    yield f"<h2>Routing</h2><p>Right modalities in the right order: {figures['routing']['accuracy']}"
    yield f"<br>Replies that ended by themselves: {figures['routing']['complete']}</p>"
    yield _confusion(figures["routing"]["confusion"])
    if forgotten := figures.get("forgotten"):
        yield "<h2>Forgotten</h2><p>Loss a token on kinds of text that no stage trains on, in nats.</p>"
        yield _table([(stage, {"loss": figure}) for stage, figure in forgotten.items()])
    if cost := figures.get("cost"):
        yield "<h2>Cost</h2><p>Parameters are those of the model that a stage trains: without decoders, and without"
        yield "encoders that it does without.</p>"
        yield _table(
            [(stage, {name: f"{figure.value:,.0f}" for name, figure in c.items()}) for stage, c in cost.items()]
        )


def _alignment(generation: Mapping[str, Any]) -> Iterator[str]:
    found = {
        modality: {split: named["alignment"] for split, named in splits.items() if "alignment" in named}
        for modality, splits in generation.items()
    }
    if any(found.values()):
        yield "<p>Distance of a position of the conditioning to what the decoder's text encoder gives, for all, for the"
        yield "caption's tokens and for padding; and that of the mean over the items.</p>"
        names = [prefix + part for prefix in ("", "predict_mean_") for part in ("all", "content", "padding")]
        yield _table(_by_split(found, names))


def _by_split(figures: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{modality}, {split}", {name: found.get(name) for name in names})
        for modality, splits in figures.items()
        for split, found in splits.items()
    ]


def _table(rows: Sequence[tuple[str, Mapping[str, Figure | str | None]]]) -> str:
    if not rows:
        return "<p>Not measured: the model has no such side.</p>"
    names = list(dict.fromkeys(name for _, cells in rows for name in cells))
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in ("", *names))
    body = "".join(
        f"<tr><th>{html.escape(label)}</th>{''.join(f'<td>{_cell(cells.get(name))}</td>' for name in names)}</tr>"
        for label, cells in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Figure | str | None) -> str:
    if not isinstance(value, Figure):
        return html.escape(value or "")
    return f"<b>{value.value:.3f}</b> <small>{value.low:.3f} to {value.high:.3f}, n = {value.n}</small>"


def _confusion(confusion: Mapping[str, Mapping[str, int]]) -> str:
    names = sorted({*confusion, *(name for counts in confusion.values() for name in counts)})
    rows = [(asked, {name: str(confusion[asked].get(name, "")) for name in names}) for asked in sorted(confusion)]
    return f"<p>Rows: what was asked for; columns: what came.</p>{_table(rows)}"


def _gallery(answered: Answered) -> str:
    pairs = list(zip(answered.task.items, answered.replies, strict=True))[:SHOWN_ITEMS]
    made = "".join(f"<figure>{_exchange(item, reply)}</figure>" for item, reply in pairs)
    name = answered.task.name
    return f"<h2 id='{_anchor(name)}'>{html.escape(name)}</h2><div class='made'>{made}</div>"


def _exchange(item: Item, reply: Reply) -> str:
    turns = [f"<div class='{message.role}'>{''.join(map(_part, message.content))}</div>" for message in item.messages]
    said = "".join(_part(part) for part in reply.parts)
    return f"{''.join(turns)}<div class='assistant reply'>{said}</div><figcaption>{_verdicts(item, reply)}</figcaption>"


def _verdicts(item: Item, reply: Reply) -> str:
    told = []
    if item.answer is not None:
        right = is_right(reply.text, item.answer)
        told.append(f"<span class='{'right' if right else 'wrong'}'>text {'right' if right else 'wrong'}</span>")
    if names_another(item, reply):
        told.append("<span class='wrong'>names something else</span>")
    if reply.modalities != item.modalities:
        came, asked = ("+".join(names) or "text" for names in (reply.modalities, item.modalities))
        told.append(f"<span class='wrong'>brings {came}, asked for {asked}</span>")
    else:
        told += [
            verdict(scene, read_medium(scene, [medium])) for scene, medium in zip(item.scenes, reply.media, strict=True)
        ]
    assert told or is_all_right(item, reply)
    return "<br>".join(told)


def _part(part: Part | Wish) -> str:
    if isinstance(part, Text):
        return f"<p>{html.escape(part.text)}</p>"
    if isinstance(part, Wish):
        return f"<p class='wrong'>[{part.modality}: no decoder]</p>"
    return _medium(part)


def _medium(medium: Media) -> str:
    if medium.tensor is not None:
        return shown(medium.modality, medium.tensor)
    if medium.data is not None:
        return shown(medium.modality, MEDIA[medium.modality].decode(medium.data, MediaSpec()))
    return f"<p>[{medium.modality}: {html.escape(medium.caption or '')}]</p>"
