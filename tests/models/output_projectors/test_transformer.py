import pytest
import torch

from anyany.models.contracts import ConditioningSpec
from anyany.models.output_projectors.transformer import TransformerProjector


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (ConditioningSpec(77, 768), 31_958_784),
        (ConditioningSpec(77, 1024), 32_090_112),
        (ConditioningSpec(1, 512, normalised=True), 31_788_544),
    ],
)
def test_it_has_the_parameters_of_the_published_one(spec, count):
    """NExT-GPT's heads for pictures, clips and sounds, with their biases and final norms."""
    with torch.device("meta"):
        projector = TransformerProjector(4096, spec, ffn_dim=2048)
    assert sum(p.numel() for p in projector.parameters()) == count


def test_it_gives_what_the_decoder_asks_for():
    torch.manual_seed(0)
    states, embeddings = torch.randn(3, 4, 12), torch.randn(4, 12)
    plain = TransformerProjector(12, ConditioningSpec(5, 7), hidden_dim=8, num_heads=2, num_layers=1)
    unit = TransformerProjector(12, ConditioningSpec(5, 7, normalised=True), hidden_dim=8, num_heads=2, num_layers=1)
    made = plain(states, embeddings)
    assert made.shape == (3, 5, 7)
    torch.testing.assert_close(unit(states, embeddings).norm(dim=-1), torch.ones(3, 5))
    assert made[0].std(dim=0).min() > 1e-3  # positions differ from the start
    torch.testing.assert_close(made[1:2], plain(states[1:2], embeddings))  # each item for itself
    torch.testing.assert_close(made, plain(states + embeddings, torch.zeros(4, 12)))  # states and embeddings add up


def test_gradients_reach_all_of_it():
    projector = TransformerProjector(12, ConditioningSpec(5, 7), hidden_dim=8, num_heads=2, num_layers=1)
    embeddings = torch.randn(4, 12, requires_grad=True)
    projector(torch.randn(3, 4, 12), embeddings).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in [*projector.parameters(), embeddings])
