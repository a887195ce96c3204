import pytest
import torch

from anyany.evaluation import decoders
from anyany.evaluation.decoders import draw, seed_of
from anyany.models.contracts import ConditioningSpec, Decoder


class Echo(Decoder):
    """Makes of each item its caption's length and its seed, and remembers how it was asked."""

    modality = "audio"
    spec = ConditioningSpec(1, 1)

    def __init__(self):
        super().__init__()
        self.asked = []

    def load(self):
        raise AssertionError

    encode = denoising_loss = digest = load

    def condition(self, captions):
        assert not torch.is_grad_enabled()
        return torch.tensor([float(len(caption)) for caption in captions]).reshape(-1, 1, 1)

    def generate(self, conditioning_NLD, seeds):
        self.asked.append(list(seeds))
        return torch.stack([conditioning_NLD[:, 0, 0].double(), torch.tensor(seeds).double()], dim=1)


@pytest.mark.parametrize("batch", [1, 3, 7, 50])
def test_each_caption_has_a_seed_of_its_own_wherever_batches_end(monkeypatch, batch):
    monkeypatch.setattr(decoders, "BATCH", batch)
    captions, echo, told = ["x" * number for number in (4, 1, 3, 1, 1, 9, 2)], Echo(), []
    made_N2 = draw(echo, captions, 11, told.append)
    assert made_N2[:, 0].tolist() == [4, 1, 3, 1, 1, 9, 2]
    seeds = [seed for asked in echo.asked for seed in asked]
    assert made_N2[:, 1].tolist() == [float(seed) for seed in seeds]
    assert seeds == [seed_of(11, index) for index in range(7)]
    assert len(set(seeds)) == 7
    assert told == [min(batch, 7 - first) for first in range(0, 7, batch)] == [len(asked) for asked in echo.asked]


def test_another_seed_draws_with_other_seeds():
    drawn = [tuple(draw(Echo(), ["a", "b"], seed)[:, 1].tolist()) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert not set(drawn[0]) & set(drawn[2])
    assert draw(Echo(), ["a", "b"])[:, 1].tolist() == list(drawn[0])


def test_seeds_are_taken_by_every_generator():
    seeds = [seed_of(seed, index) for seed in range(20) for index in range(50)]
    assert len(set(seeds)) == 1000
    assert 0 <= min(seeds) < max(seeds) < 2**63
    torch.Generator().manual_seed(max(seeds))
