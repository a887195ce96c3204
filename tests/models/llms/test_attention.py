"""Attention within segments against the plain way, a mask over the whole row."""

import pytest
import torch

from anyany.models.llms.attention import within_segments
from anyany.ops.packing import segment_mask, segments_by_length
from tests.models.llms.test_pretrained import pretrained, save

ROWS = {
    "captions": [[7] * 8, [20, 3, 33]],
    "one of each length": [[1, 2, 15, 16, 17], [40, 16]],
    "padded": [[30], [3], []],
    "padding alone": [[], []],
}


def packed(lengths_of_rows):
    """Ids and positions; rows are padded to the longest, and beyond."""
    size = max(map(sum, lengths_of_rows)) + 2
    segment_ids_BT = torch.full((len(lengths_of_rows), size), -1)
    position_ids_BT = torch.zeros_like(segment_ids_BT)
    for row, lengths in enumerate(lengths_of_rows):
        first = 0
        for segment, length in enumerate(lengths):
            segment_ids_BT[row, first : first + length] = segment
            position_ids_BT[row, first : first + length] = torch.arange(length)
            first += length
    return segment_ids_BT, position_ids_BT


@pytest.mark.parametrize("lora_rank", [0, 2])
@pytest.mark.parametrize("name", ROWS)
def test_states_and_gradients_are_those_of_a_mask(name, lora_rank, tmp_path):
    save(tmp_path)  # two heads of keys for four of queries
    llm = pretrained(tmp_path, lora_rank=lora_rank)
    segment_ids_BT, position_ids_BT = packed(ROWS[name])
    is_text_BT = segment_ids_BT >= 0
    embeddings_BTD = torch.randn(*segment_ids_BT.shape, llm.dim, requires_grad=True)
    weights_BTD = torch.randn(embeddings_BTD.shape) * is_text_BT.unsqueeze(-1)
    found, gradients = [], []
    for way in ("segments", "mask"):
        if way == "segments":
            states_BTD = llm(embeddings_BTD, position_ids_BT, segment_ids_BT)
        else:
            given = {"inputs_embeds": embeddings_BTD, "position_ids": position_ids_BT, "use_cache": False}
            states_BTD = llm.base(attention_mask=segment_mask(segment_ids_BT, torch.float32), **given).last_hidden_state
        assert torch.isfinite(states_BTD).all()
        found.append(states_BTD[is_text_BT])
        gradients.append(torch.autograd.grad((states_BTD * weights_BTD).sum(), embeddings_BTD)[0])
    torch.testing.assert_close(*found)
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)
    assert len(found[0]) == sum(map(sum, ROWS[name]))


@pytest.mark.parametrize(("precision", "off"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
@pytest.mark.parametrize("name", ROWS)
def test_states_before_what_is_learned_are_the_same_and_have_no_graph(name, precision, off, tmp_path, record_property):
    save(tmp_path)
    llm = pretrained(tmp_path)
    segment_ids_BT, position_ids_BT = packed(ROWS[name])
    is_text_BT = segment_ids_BT >= 0
    is_learned_BT = torch.rand(segment_ids_BT.shape, generator=torch.Generator().manual_seed(0)) < 0.1
    needs_graph_BT = learned_so_far(segment_ids_BT, is_learned_BT)
    record_property("found", f"{int((is_text_BT & ~needs_graph_BT).sum())} of {int(is_text_BT.sum())} need no graph")
    embeddings_BTD = torch.randn(*segment_ids_BT.shape, llm.dim, requires_grad=True)
    weights_BTD = torch.randn(embeddings_BTD.shape) * is_text_BT.unsqueeze(-1)
    found, gradients = [], []
    for marks_BT in (None, is_learned_BT):
        with torch.autocast("cpu", precision, enabled=precision != torch.float32):
            states_BTD = llm(embeddings_BTD, position_ids_BT, segment_ids_BT, marks_BT)
        found.append(states_BTD[is_text_BT])
        gradients.append(torch.autograd.grad((states_BTD * weights_BTD).sum(), embeddings_BTD)[0])
    torch.testing.assert_close(*found, atol=off, rtol=10 * off)
    torch.testing.assert_close(*(grad_BTD[needs_graph_BT] for grad_BTD in gradients), atol=off, rtol=10 * off)
    assert (gradients[1][~needs_graph_BT & is_text_BT] == 0).all()


def learned_so_far(segment_ids_BT, is_learned_BT):
    """By a plain loop: whether a token is learned, or follows one in its segment, or is its segment's last one."""
    so_far_BT = torch.zeros_like(is_learned_BT)
    for ids, learned, so_far in zip(segment_ids_BT.tolist(), is_learned_BT.tolist(), so_far_BT, strict=True):
        for t, own in enumerate(ids):
            goes_on = t > 0 and ids[t - 1] == own
            is_last = t + 1 == len(ids) or ids[t + 1] != own
            so_far[t] = learned[t] or is_last or (goes_on and bool(so_far[t - 1]))
    return so_far_BT


def test_an_llm_that_is_trained_keeps_its_graph(tmp_path):
    save(tmp_path)
    llm = pretrained(tmp_path, lora_rank=2)
    segment_ids_BT, position_ids_BT = packed(ROWS["captions"])
    embeddings_BTD = torch.randn(*segment_ids_BT.shape, llm.dim)
    is_text_BT1 = (segment_ids_BT >= 0).unsqueeze(-1)
    trained = [parameter for parameter in llm.base.parameters() if parameter.requires_grad]
    for parameter in trained:  # lora_B begins at zero, and lora_A would have no gradient
        torch.nn.init.normal_(parameter, std=0.1)
    gradients = []
    for marks_BT in (None, torch.zeros_like(segment_ids_BT, dtype=torch.bool)):
        states_BTD = llm(embeddings_BTD, position_ids_BT, segment_ids_BT, marks_BT)
        gradients.append(torch.autograd.grad((states_BTD**3 * is_text_BT1).sum(), trained))
    assert len(trained) >= 4
    for found, wanted in zip(*gradients, strict=True):
        assert wanted.abs().max() > 1e-3
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_padding_alone_reaches_every_weight(precision, tmp_path):
    """With zeros. A rank that gives a weight no gradient leaves the others waiting for it."""
    save(tmp_path)
    llm = pretrained(tmp_path, lora_rank=2)
    segment_ids_BT, position_ids_BT = packed(ROWS["padding alone"])
    with torch.autocast("cpu", precision, enabled=precision != torch.float32):
        states_BTD = llm(torch.randn(*segment_ids_BT.shape, llm.dim), position_ids_BT, segment_ids_BT)
    states_BTD.sum().backward()
    trained = {name: parameter for name, parameter in llm.base.named_parameters() if parameter.requires_grad}
    assert len(trained) >= 4
    for name, parameter in trained.items():
        assert parameter.grad is not None, name
        if "lora" in name and ("q_proj" in name or "v_proj" in name):
            assert (parameter.grad == 0).all(), name


def test_attention_is_given_back_in_the_precision_of_the_plain_way():
    """Under autocast queries and keys that were rotated are fp32 and values are not."""
    query_BHTC, key_BHTC, value_BHTC = torch.randn(3, 1, 2, 20, 4)
    segment_ids_BT = torch.tensor([[0] * 12 + [1] * 8])
    with torch.autocast("cpu", torch.bfloat16):
        given = (torch.nn.Identity(), query_BHTC, key_BHTC, value_BHTC.bfloat16())
        found, _ = within_segments(*given, None, segments=segments_by_length(segment_ids_BT))
        wanted, _ = within_segments(*given, segment_mask(segment_ids_BT, torch.bfloat16))
    assert found.dtype == wanted.dtype == torch.bfloat16
    torch.testing.assert_close(found, wanted, atol=0.03, rtol=0.03)


def test_states_under_autocast_are_those_of_a_mask(tmp_path):
    save(tmp_path)
    llm = pretrained(tmp_path)
    segment_ids_BT, position_ids_BT = packed(ROWS["captions"])
    embeddings_BTD = torch.randn(*segment_ids_BT.shape, llm.dim, requires_grad=True)
    given = {"inputs_embeds": embeddings_BTD, "position_ids": position_ids_BT, "use_cache": False}
    with torch.autocast("cpu", torch.bfloat16):
        found_BTD = llm(embeddings_BTD, position_ids_BT, segment_ids_BT)
        wanted_BTD = llm.base(attention_mask=segment_mask(segment_ids_BT, torch.float32), **given).last_hidden_state
    is_text_BT = segment_ids_BT >= 0
    assert found_BTD.dtype == wanted_BTD.dtype
    torch.testing.assert_close(found_BTD[is_text_BT], wanted_BTD[is_text_BT], atol=0.05, rtol=0.05)
    found_BTD.sum().backward()
    assert torch.isfinite(embeddings_BTD.grad).all()


def test_a_model_that_hands_neither_segments_nor_a_mask_on_is_refused():
    values = torch.zeros(1, 2, 3, 4)
    with pytest.raises(ValueError, match="Linear got neither segments nor a mask"):
        within_segments(torch.nn.Linear(1, 1), values, values, values, None)
