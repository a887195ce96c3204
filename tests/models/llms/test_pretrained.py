import json

import pytest
import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from anyany.models.llms.pretrained import SPREAD, PretrainedLLM
from anyany.models.llms.tokenizers import byte_level
from anyany.ops.losses import IGNORE_INDEX, next_token_loss

NUM_BYTES = 256


def save(folder, rows=NUM_BYTES, tied=True):
    """A Llama in the published format; its weights are stored in fp16."""
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=rows, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=tied,
    )  # fmt: skip
    model = LlamaForCausalLM(config).half()
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(byte_level())).save_pretrained(folder)
    return model.float().eval()


def pretrained(folder, added=5, **lora):
    llm = PretrainedLLM(folder, "tiny", **lora)
    llm.add_tokens(NUM_BYTES + added)
    llm.load()
    return llm


def through(llm, ids_BT):
    positions_BT = torch.arange(ids_BT.shape[1]).expand_as(ids_BT)
    return llm(llm.embed(ids_BT), positions_BT, torch.zeros_like(ids_BT))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("rows", [NUM_BYTES, NUM_BYTES + 40])  # published models have spare rows
def test_it_equals_transformers_own(tmp_path, tied, rows):
    own = save(tmp_path, rows, tied)
    llm = pretrained(tmp_path)
    ids_BT = torch.randint(0, NUM_BYTES, (2, 9))
    with torch.no_grad():
        logits_PV = llm.head(through(llm, ids_BT).flatten(0, 1))
        expected = own(ids_BT).logits[..., :NUM_BYTES].flatten(0, 1)
    torch.testing.assert_close(logits_PV[:, :NUM_BYTES], expected)
    assert logits_PV.shape[1] == NUM_BYTES + 5


def test_before_it_is_loaded_it_holds_numbers_alone(tmp_path):
    save(tmp_path)
    llm = PretrainedLLM(tmp_path, "tiny")
    assert (llm.dim, llm.num_known) == (32, NUM_BYTES)
    assert {p.device.type for p in llm.llm.parameters()} == {"meta"}


@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_are_all_that_trains(tmp_path, tied):
    save(tmp_path, tied=tied)
    llm = pretrained(tmp_path).train()
    assert {n for n, p in llm.named_parameters() if p.requires_grad} == (
        {"added_AD"} if tied else {"added_AD", "added_out_AD"}
    )
    before = {name: p.clone() for name, p in llm.named_parameters()}
    optimizer = torch.optim.AdamW([p for p in llm.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    ids_BT = torch.tensor([[1, 256, 260, 7, 258, 3]])
    labels_BT = torch.tensor([[IGNORE_INDEX, 256, 260, 7, 258, IGNORE_INDEX]])
    total, count = next_token_loss(through(llm, ids_BT), labels_BT, llm.head)
    (total / count).backward()
    optimizer.step()
    assert sum(len(group["params"]) for group in optimizer.param_groups) == (1 if tied else 2)
    for name, parameter in llm.named_parameters():
        assert torch.equal(parameter, before[name]) != name.startswith("added"), name


@pytest.mark.parametrize("tied", [True, False])
def test_a_new_token_is_read_and_written_with_its_own_row(tmp_path, tied):
    save(tmp_path, tied=tied)
    llm = pretrained(tmp_path)
    torch.testing.assert_close(llm.embed(torch.tensor([[256, 9, 260]]))[0, [0, 2]], llm.added_AD[[0, 4]])
    hidden_PD = torch.randn(3, 32)
    rows_AD = llm.added_AD if tied else llm.added_out_AD
    torch.testing.assert_close(llm.head(hidden_PD)[:, NUM_BYTES:], hidden_PD @ rows_AD.T)
    assert (llm.added_AD is llm.added_out_AD) == tied


def test_new_rows_begin_near_the_mean(tmp_path):
    own = save(tmp_path, rows=NUM_BYTES + 40)
    with torch.no_grad():
        own.get_input_embeddings().weight[NUM_BYTES:] = 1e4  # spare rows are of no account
    own.save_pretrained(tmp_path)
    torch.manual_seed(0)
    llm = pretrained(tmp_path, added=2_000)
    known_VD = own.get_input_embeddings().weight[:NUM_BYTES]
    torch.testing.assert_close(llm.added_AD.mean(0), known_VD.mean(0), atol=5e-4, rtol=0)
    assert llm.added_AD.std(0).mean().item() == pytest.approx(SPREAD * known_VD.std().item(), rel=0.05)


def test_without_new_tokens_nothing_is_added(tmp_path):
    save(tmp_path)
    llm = pretrained(tmp_path, added=0)
    ids_BT = torch.randint(0, NUM_BYTES, (1, 4))
    assert llm.head(through(llm, ids_BT)[0]).shape == (4, NUM_BYTES)


def test_packed_segments_equal_separate_forwards(tmp_path):
    save(tmp_path)
    llm = pretrained(tmp_path)
    first, second = torch.randint(0, 261, (1, 5)), torch.randint(0, 261, (1, 4))
    ids_BT = torch.cat([first, second], 1)
    positions_BT = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3]])
    segments_BT = torch.tensor([[0] * 5 + [1] * 4])
    with torch.no_grad():
        packed = llm(llm.embed(ids_BT), positions_BT, segments_BT)
        torch.testing.assert_close(packed, torch.cat([through(llm, first), through(llm, second)], 1))


def test_states_of_other_layers_are_never_kept(tmp_path):
    """Whichever way rows are read, the network hands out its last states alone, even where its config asks for all."""
    save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "output_hidden_states": True}))
    llm, given = pretrained(tmp_path), []
    llm.base.register_forward_hook(lambda network, inputs, output: given.append(set(output.keys())))
    ids_BT = torch.randint(0, NUM_BYTES, (1, 6))
    positions_BT, one_BT = torch.arange(6)[None], torch.zeros_like(ids_BT)
    llm(llm.embed(ids_BT), positions_BT, one_BT)
    llm(llm.embed(ids_BT), positions_BT, one_BT, positions_BT >= 4)
    llm.extend(llm.embed(ids_BT), positions_BT, torch.ones_like(ids_BT, dtype=torch.bool))
    assert given == [{"last_hidden_state"}] + 3 * [{"last_hidden_state", "past_key_values"}]


def test_folders_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no config\.json; expected a folder that save_pretrained wrote"):
        PretrainedLLM(tmp_path, "tiny")
    save(tmp_path, rows=100)
    with pytest.raises(ValueError, match="the tokenizer has 256 tokens, the model 100 rows"):
        PretrainedLLM(tmp_path, "tiny")
