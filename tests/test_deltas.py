import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from anyany.deltas import MANIFEST, TENSORS, apply_delta, read_delta, write_delta
from anyany.faults import UserError

PARTS = {"encoder=bind": "aaaaaaaaaa", "llm": "bbbbbbbbbb"}
TOKENS = {"<|image|>": 256, "<|image_signal_0|>": 257}


class Model(nn.Module):
    def __init__(self, reads=True, writes=True, width=3):
        super().__init__()
        torch.manual_seed(0)
        self.input_projectors = nn.ModuleDict({"linear": nn.Linear(2, width)} if reads else {})
        self.llm = nn.Linear(width, width)
        self.output_projectors = nn.ModuleDict({"image": nn.Linear(width, 4)} if writes else {})


def trained(model):
    """Names and new values of everything but the LLM's weight."""
    return {n: torch.randn_like(p) for n, p in model.named_parameters() if n != "llm.weight"}


def written(folder, tensors, **changes):
    write_delta(
        folder, **({"stage": "instruct", "step": 7, "tensors": tensors, "parts": PARTS, "tokens": TOKENS} | changes)
    )
    return read_delta(folder)


def test_what_was_trained_comes_back_and_nothing_else_changes(tmp_path):
    model, tensors = Model(), trained(Model())
    before = model.llm.weight.clone()
    delta = written(tmp_path / "instruct", tensors, after="dec_align")
    assert (delta.manifest.stage, delta.manifest.step, delta.manifest.after) == ("instruct", 7, "dec_align")
    assert apply_delta(model, delta, PARTS, TOKENS) == {}
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, tensors.get(name, before)), name
    assert sorted(path.name for path in tmp_path.rglob("*")) == [TENSORS, "instruct", MANIFEST]


def test_what_belongs_to_a_side_that_is_not_there_is_handed_on(tmp_path):
    tensors = trained(Model())
    carried = apply_delta(Model(reads=False), written(tmp_path / "d", tensors), PARTS, TOKENS)
    assert carried.keys() == {"input_projectors.linear.weight", "input_projectors.linear.bias"}
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in carried.items())


def test_everything_that_does_not_fit_is_told_at_once(tmp_path):
    delta = written(tmp_path / "d", {**trained(Model()), "llm.lora": torch.zeros(2)})
    now = {"encoder=bind": "cccccccccc", "llm": "bbbbbbbbbb", "decoder=image": "d"}
    with pytest.raises(UserError) as caught:
        apply_delta(Model(width=5), delta, now, {"<|image|>": 256, "<|image_signal_0|>": 258})
    told = str(caught.value)
    for fault in (
        "encoder=bind has other weights now (digest cccccccc, then aaaaaaaa)",
        "token <|image_signal_0|> is 258 now, 257 then",
        "llm.lora is left over: the model has no such parameter",
        "llm.bias has the shape [3], the model's is [5]",
    ):
        assert fault in told
    assert "llm has" not in told


def test_nothing_is_changed_by_a_delta_that_is_refused(tmp_path):
    model = Model()
    before = {name: p.clone() for name, p in model.named_parameters()}
    delta = written(tmp_path / "d", {**trained(model), "llm.lora": torch.zeros(2)})
    with pytest.raises(UserError, match="does not fit this model"):
        apply_delta(model, delta, PARTS, TOKENS)
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_delta_takes_the_place_of_an_earlier_one(tmp_path):
    written(tmp_path / "d", {"llm.weight": torch.zeros(1)})
    second = written(tmp_path / "d", {"llm.weight": torch.ones(2)}, step=9)
    assert second.manifest.step == 9
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_folder_without_a_delta_is_told(tmp_path):
    with pytest.raises(UserError, match=r"holds no manifest\.json"):
        read_delta(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "content"),
    [(TENSORS, None), (TENSORS, b"half"), (MANIFEST, b'{"stage": '), (MANIFEST, b'{"stage": "instruct"}')],
)
def test_half_a_delta_is_told(tmp_path, name, content):
    written(tmp_path / "d", {"llm.weight": torch.zeros(1)})
    (tmp_path / "d" / name).unlink()
    if content is not None:
        (tmp_path / "d" / name).write_bytes(content)
    with pytest.raises(UserError, match=r"d cannot be read \(.+\); train the stage anew"):
        read_delta(tmp_path / "d")


def test_tensors_of_another_delta_are_refused(tmp_path):
    written(tmp_path / "d", {"llm.weight": torch.zeros(1)})
    save_file({"llm.weight": torch.zeros(2), "llm.bias": torch.zeros(1)}, tmp_path / "d" / TENSORS)
    with pytest.raises(UserError, match=r"is not what manifest\.json lists \(llm\.bias, llm\.weight\)"):
        read_delta(tmp_path / "d")


def test_halves_stay_halves(tmp_path):
    delta = written(tmp_path / "d", {"llm.weight": torch.full((2,), 0.1, dtype=torch.bfloat16)})
    assert delta.tensors["llm.weight"].dtype == torch.bfloat16
    assert json.loads((tmp_path / "d" / MANIFEST).read_text())["shapes"] == {"llm.weight": [2]}
