from functools import partial

import pytest
import torch

from anyany.messages.collate import Sample, collate
from anyany.messages.render import render
from anyany.messages.types import Media, assistant, user
from anyany.models.assemble import RowSpec, assemble
from anyany.models.connections.signal import SignalConnection
from anyany.models.connections.text import TextConnection
from anyany.models.contracts import ConditioningSpec
from anyany.models.encoders.patches import Patches
from anyany.models.input_projectors.linear import LinearProjector
from anyany.models.llms.llama import Llama
from anyany.models.output_projectors.transformer import TransformerProjector

PARTS = {
    "llm": {None: lambda: Llama(hidden_size=32, num_layers=2, num_heads=2)},
    "encoder": {
        "patches": lambda: Patches(image_px=16, sound_s=0.2),
        "fine": lambda: Patches(image_px=16, patch_px=16),
    },
    "input_projector": {"linear": lambda **dims: LinearProjector(**dims, num_pooled=3)},
    "connection": {"signal": SignalConnection, "text": TextConnection},
    "output_projector": {"transformer": partial(TransformerProjector, hidden_dim=16, num_heads=2, num_layers=1)},
    "decoder": {
        "painter": lambda: Painter("image", ConditioningSpec(5, 8)),
        "player": lambda: Painter("audio", ConditioningSpec(1, 6, True)),
    },
}


class Painter:
    """As much of a decoder as joining asks for."""

    def __init__(self, modality, spec):
        self.modality, self.spec = modality, spec


def row(name, **changes):
    spec = {"placeholder": f"<|{name}|>", "encoder": "patches", "input_projector": "linear", "connection": "signal"}
    return RowSpec(**({"share_input_projector": True, "num_signal_tokens": 2} | spec | changes))


def assembled(rows, made=None, llm=None):
    def make(kind, name=None, **more):
        if made is not None:
            made.append((kind, name))
        return llm() if llm and kind == "llm" else PARTS[kind][name](**more)

    torch.manual_seed(0)
    return assemble(rows, make)


ROWS = {name: row(name) for name in ("image", "video", "audio")}


def sample(vocabulary, preprocess, key, *messages):
    rendered = render(messages, vocabulary)
    return Sample("s", key, rendered, [item(preprocess[part.modality]) for part in rendered.media])


def item(preprocess):
    """A random one, as preprocessing would give it."""
    if preprocess.output_dtype == torch.uint8:
        return torch.randint(0, 256, preprocess.output_shape, dtype=torch.uint8)
    return torch.randn(preprocess.output_shape)


@pytest.fixture
def parts():
    return assembled(ROWS)


@pytest.fixture
def samples(parts):
    torch.manual_seed(1)
    media = {name: Media(name, member="x") for name in ROWS}
    conversations = [
        (user("ab"), assistant("c")),
        (user(media["image"], "what?"), assistant("red ring")),
        (user(media["audio"], media["video"]), assistant("k", Media("image", caption="c"), "done")),
        (user("z", media["video"]), assistant("y"), user(media["image"]), assistant("w")),
    ]
    return [sample(parts.vocabulary, parts.preprocess, str(n), *c) for n, c in enumerate(conversations)]


def dummies(parts):
    return {name: torch.zeros(p.output_shape, dtype=p.output_dtype) for name, p in parts.preprocess.items()}


def test_each_named_part_is_built_once():
    made = []
    parts = assembled(ROWS, made)
    assert sorted(made, key=str) == sorted(
        [("llm", None), ("encoder", "patches"), ("input_projector", "linear"), *[("connection", "signal")] * 3], key=str
    )
    assert len(parts.encoders) == len(parts.input_projectors) == 1


def test_widths_and_rows_are_read_from_the_parts(parts):
    linear = parts.input_projectors["linear"].linear
    assert (linear.in_features, linear.out_features) == (192, 32)
    assert {name: row.num_rows for name, row in parts.vocabulary.rows.items()} == dict.fromkeys(ROWS, 3)
    # 256 bytes, pad, four turn tokens, and for each row a placeholder and two signals
    assert len(parts.vocabulary) == 256 + 1 + 4 + 3 * 3
    assert parts.llm.added_AD.shape == (14, 32)


def test_packed_and_padded_rows_give_the_same_loss_and_gradients(parts, samples):
    model = parts.model()

    def loss_of(rows):
        model.zero_grad()
        total, count = model(collate(rows, parts.vocabulary, dummies(parts)))["text"]
        total.backward()
        return total.detach(), count, {n: p.grad.clone() for n, p in model.named_parameters()}

    padded = loss_of([[one] for one in samples])
    for rows in ([samples], [samples[:2], samples[2:]], [samples[::-1], []]):
        packed = loss_of(rows)
        assert packed[1] == padded[1] > 10
        torch.testing.assert_close(packed[0], padded[0], rtol=1e-5, atol=1e-4)
        for name, gradient in padded[2].items():
            torch.testing.assert_close(packed[2][name], gradient, rtol=1e-4, atol=1e-5, msg=name)


def test_media_change_what_is_predicted_after_them_alone(parts, samples):
    model = parts.model()

    def hidden(one):
        batch = collate([[one]], parts.vocabulary, dummies(parts))
        with torch.no_grad():
            fused_BTD = model.fused(model.llm.embed(batch.input_ids_BT), batch)
            return model.llm(fused_BTD, batch.position_ids_BT, batch.segment_ids_BT)[0]

    from dataclasses import replace

    one = samples[1]
    changed = replace(one, values=[item(parts.preprocess["image"])])
    differs = (hidden(one) - hidden(changed)).abs().amax(-1) > 1e-6
    first = int((one.rendered.slots["image"] == 0).nonzero()[0][0])
    assert differs.tolist() == [t >= first for t in range(len(one.rendered))]


def test_every_parameter_has_a_gradient_in_a_batch_of_text_alone(parts, samples):
    model = parts.model()
    model(collate([[samples[0]]], parts.vocabulary, dummies(parts)))["text"][0].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert model.input_projectors["linear"].linear.weight.grad.abs().sum() == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"image": row("image", input_projector=None)}, "rows.image: encoder=patches without input_projector"),
        ({"image": row("image", placeholder=None)}, "rows.image: encoder=patches without placeholder"),
        ({"depth": row("depth")}, "rows.depth.encoder=patches reads image, video, audio, not depth"),
        (
            {"image": row("image"), "video": row("video", encoder="fine")},
            "rows.video and rows.image share input_projector=linear, .* 768 and 192 wide",
        ),
        ({"image": row("image", num_signal_tokens=0)}, "rows.image.num_signal_tokens is 0"),
        ({"image": row("image", decoder="player")}, "rows.image.decoder=player makes audio; choose a decoder of image"),
        ({"image": row("image", decoder="painter")}, "rows.image: decoder=painter without output_projector; give one"),
        (
            {"image": row("image", conditioning=Painter("image", ConditioningSpec(5, 8)))},
            "rows.image: a conditioning without output_projector",
        ),
        (
            {"image": row("image", decoder="painter", conditioning=Painter("image", ConditioningSpec(5, 8)))},
            "rows.image: decoder=painter and a conditioning; give one of them",
        ),
        (
            {"image": row("image", output_projector="transformer")},
            "rows.image: output_projector=transformer with nothing to project to",
        ),
        ({"image": row("image"), "video": row("video", placeholder="<|image|>")}, "used twice"),
    ],
)
def test_rows_that_do_not_fit_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        assembled(rows)


def test_a_row_may_lack_a_side():
    parts = assembled(
        {"image": row("image", connection=None), "audio": row("audio", encoder=None, input_projector=None)}
    )
    assert parts.vocabulary.rows["image"].layout is None
    assert parts.vocabulary.rows["audio"].placeholder is None
    assert set(parts.preprocess) == {"image"}


def test_the_text_connection_adds_two_markers():
    parts = assembled({"image": row("image", connection="text")})
    assert parts.vocabulary.rows["image"].layout.tokens == ("<|image_begin|>", "<|image_end|>")


WRITES = {
    "image": row("image", output_projector="transformer", decoder="painter"),
    "video": row(
        "video",
        output_projector="transformer",
        conditioning=Painter("video", ConditioningSpec(3, 4)),
        num_signal_tokens=5,
    ),
    "audio": row("audio", output_projector="transformer", decoder="player", num_signal_tokens=1),
}


def test_each_row_projects_to_what_its_own_decoder_consumes():
    parts = assembled(WRITES)
    for name, (signals, spec) in {
        "image": (2, ConditioningSpec(5, 8)),
        "video": (5, ConditioningSpec(3, 4)),
        "audio": (1, ConditioningSpec(1, 6, True)),
    }.items():
        states_NSD = torch.randn(2, signals, 32)
        made_NLD = parts.output_projectors[name](states_NSD, torch.zeros(2, signals, 32))
        assert made_NLD.shape == (2, spec.length, spec.dim)
    assert set(parts.decoders) == {"image", "audio"}
    assert parts.model().outputs == {"image": 2, "video": 5, "audio": 1}


def test_a_side_that_is_not_needed_is_not_there():
    parts = assembled(WRITES)
    reads, writes = parts.model(writes=False), parts.model(reads=False)
    assert (len(reads.encoders), len(reads.input_projectors), len(reads.output_projectors)) == (1, 1, 0)
    assert (len(writes.encoders), len(writes.input_projectors), len(writes.output_projectors)) == (0, 0, 3)


def test_weights_are_read_once_all_parts_fit_and_where_they_are_needed(monkeypatch):
    loaded = []
    monkeypatch.setattr(Patches, "load", lambda self: loaded.append("encoder"))
    monkeypatch.setattr(Llama, "load", lambda self: loaded.append("llm"))
    parts = assembled(WRITES)
    assert loaded == []
    parts.model(reads=False)
    assert loaded == ["llm"]
    parts.model()
    assert loaded == ["llm", "encoder", "llm"]


def test_a_connection_in_text_needs_no_projector_and_says_so(caplog):
    with caplog.at_level("INFO"):
        parts = assembled({"image": row("image", connection="text", output_projector="transformer", decoder="painter")})
    assert parts.output_projectors == {}
    assert "rows.image: connection=text reads no states: no output projector is built" in caplog.text


def test_rows_have_projectors_of_their_own_or_share_one():
    apart = assembled({name: row(name, share_input_projector=name != "image") for name in ROWS})
    assert {name: key for name, (_, key) in apart.inputs.items()} == {
        "image": "image", "video": "linear", "audio": "linear"
    }  # fmt: skip
    assert len({id(projector) for projector in apart.input_projectors.values()}) == 2
    own = assembled({name: row(name, share_input_projector=False) for name in ROWS})
    assert {name: key for name, (_, key) in own.inputs.items()} == {name: name for name in ROWS}
