import torch

from anyany.models.llms.llama import Llama
from anyany.models.llms.tokenizers import byte_level


def llama(added=5):
    torch.manual_seed(0)
    one = Llama(hidden_size=32, num_layers=2, num_heads=2)
    one.add_tokens(256 + added)
    return one.eval()


def test_packed_segments_equal_separate_forwards():
    one = llama()
    ids = [torch.randint(0, 261, (1, n)) for n in (5, 3, 7)]

    def states(*parts):
        joined = torch.cat(parts, 1)
        positions = torch.cat([torch.arange(p.shape[1]) for p in parts])[None]
        segments = torch.cat([torch.full((p.shape[1],), n) for n, p in enumerate(parts)])[None]
        with torch.no_grad():
            return one(one.embed(joined), positions, segments)[0]

    torch.testing.assert_close(states(*ids), torch.cat([states(part) for part in ids]), atol=1e-5, rtol=1e-5)


def test_added_rows_are_read_and_written():
    one = llama()
    torch.testing.assert_close(one.embed(torch.tensor([[256, 260]]))[0], one.added_AD[[0, 4]])
    torch.testing.assert_close(one.embed(torch.tensor([[7]]))[0], one.model.embed_tokens.weight[[7]])
    hidden_PD = torch.randn(2, 32)
    logits_PV = one.head(hidden_PD)
    assert logits_PV.shape == (2, 261)
    torch.testing.assert_close(logits_PV[:, 258], hidden_PD @ one.added_AD[2])


def test_its_tokenizer_writes_any_byte():
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(byte_level())
    text = "".join(map(chr, range(0x250))) + "猫🎈"
    assert tokenizer.get_vocab_size() == 256
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
