import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from anyany.models.llms.lora import Lora, insert, without
from tests.models.llms.test_pretrained import NUM_BYTES, pretrained, save, through


def test_the_published_changes_have_as_many_parameters():
    """Rank 32 on the four layers of attention of Vicuna-7B: NExT-GPT's 33,554,432."""
    with torch.device("meta"):
        network = LlamaForCausalLM(LlamaConfig())  # its numbers are those of Llama-7B
        insert(network, Lora(32, 32))
    changed = [p.numel() for name, p in network.named_parameters() if "lora_" in name]
    assert (len(changed), sum(changed)) == (32 * 4 * 2, 33_554_432)


def test_they_begin_as_no_change_and_are_then_of_low_rank(tmp_path):
    save(tmp_path)
    plain, changed = pretrained(tmp_path), pretrained(tmp_path, lora_rank=2, lora_alpha=6)
    ids_BT = torch.randint(0, NUM_BYTES, (2, 7))
    with torch.no_grad():
        torch.testing.assert_close(through(changed, ids_BT), through(plain, ids_BT))
        layer = changed.llm.model.layers[0].self_attn.q_proj
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        torch.nn.init.normal_(b)
        values = torch.randn(3, 32)
        wanted = plain.llm.model.layers[0].self_attn.q_proj(values) + 6.0 / 2 * values @ a.T @ b.T
        torch.testing.assert_close(layer(values), wanted)
        assert (through(changed, ids_BT) - through(plain, ids_BT)).abs().max() > 1e-3


def test_without_them_the_network_is_as_it_was(tmp_path):
    save(tmp_path)
    plain, changed = pretrained(tmp_path), pretrained(tmp_path, lora_rank=2, lora_alpha=6)
    ids_BT = torch.randint(0, NUM_BYTES, (2, 7))
    with torch.no_grad():
        for name, parameter in changed.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter)
        moved = through(changed, ids_BT)
        with changed.unchanged():
            assert torch.equal(through(changed, ids_BT), through(plain, ids_BT))
        assert torch.equal(through(changed, ids_BT), moved)
        with pytest.raises(KeyError), without(changed.llm):
            raise KeyError
        assert torch.equal(through(changed, ids_BT), moved)  # also behind an error
    trained = {name for name, p in changed.named_parameters() if p.requires_grad}
    assert len(trained) == 1 + 2 * 4 * 2


def test_they_train_and_what_they_change_does_not(tmp_path):
    save(tmp_path)
    llm = pretrained(tmp_path, lora_rank=2).train()
    trained = {name for name, p in llm.named_parameters() if p.requires_grad}
    assert {name.split(".")[-3] for name in trained - {"added_AD"}} == {"lora_A", "lora_B"}
    assert len(trained) == 1 + 2 * 4 * 2
    before = {name: p.clone() for name, p in llm.named_parameters()}
    optimizer = torch.optim.SGD([p for p in llm.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):  # lora_A has no gradient before lora_B has moved
        through(llm, torch.tensor([[1, NUM_BYTES, 7, 3]])).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    moved = {name for name, p in llm.named_parameters() if not torch.equal(p, before[name])}
    assert moved == trained


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0}, {"dropout": 1.0}])
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="give rank >= 1, alpha > 0 and dropout within"):
        Lora(**({"rank": 2, "alpha": 2} | wrong))


def test_layers_that_are_not_there_are_refused(tmp_path):
    save(tmp_path)
    with pytest.raises(ValueError, match="query"):
        pretrained(tmp_path, lora_rank=2, lora_targets=["query"])
