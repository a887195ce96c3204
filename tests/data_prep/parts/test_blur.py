import pytest
import torch

from data_prep.parts import blur
from data_prep.parts.blur import blurred

N, L, K, D = 3, 6, 8, 5
LENGTHS = torch.tensor([6, 3, 1])


@pytest.fixture
def drawn(monkeypatch):
    """Embeddings, and all that is random but the noise."""
    monkeypatch.setattr(blur, "NOISE", 0.0)
    generator = torch.Generator().manual_seed(0)
    embeddings_NLD = torch.randn(N, L, D, generator=generator)
    return embeddings_NLD, LENGTHS, torch.rand(N, K, L, generator=generator), torch.rand(N, K, 2, generator=generator)


def weights_of(drawn, **changed):
    """``[N, K, L]``: what each row has of each word, seen through unit embeddings."""
    _, lengths_N, uniform_NKL, uniform_NK2 = drawn
    units_NLL = torch.eye(L).expand(N, L, L)
    given = {"uniform_NKL": uniform_NKL, "uniform_NK2": uniform_NK2} | changed
    return blurred(units_NLL, lengths_N, noise_NKD=torch.zeros(N, K, L), **given)


def test_a_row_is_a_mixture_of_the_words_of_its_own_text(drawn):
    weights_NKL = weights_of(drawn)
    low, high = blur.GAINS
    gains_NK = low + (high - low) * drawn[3][..., 1]
    torch.testing.assert_close(weights_NKL.sum(-1), gains_NK)
    assert (weights_NKL >= 0).all()
    for weights_KL, length in zip(weights_NKL, LENGTHS.tolist(), strict=True):
        assert (weights_KL[:, length:] == 0).all()
        assert (weights_KL[:, :length] > 0).any(0).all()  # no word is left out of all rows
    torch.testing.assert_close(blurred(*drawn, torch.zeros(N, K, D)), weights_NKL @ drawn[0])


def test_rows_follow_the_order_of_the_words(drawn):
    """Narrow windows over six words whose chance is the same: the centre of what a row holds moves on."""
    even, narrow = torch.full((N, K, L), 0.5), torch.zeros(N, K, 2)
    weights_KL = weights_of(drawn, uniform_NKL=even, uniform_NK2=narrow)[0]
    centres_K = (weights_KL * torch.arange(L)).sum(-1) / weights_KL.sum(-1)
    assert (centres_K.diff() > 0).all()
    assert centres_K[0] < 1
    assert centres_K[-1] > L - 2


def test_noise_is_as_large_as_a_share_of_the_embeddings_spread(drawn, monkeypatch):
    monkeypatch.setattr(blur, "NOISE", 0.2)
    noise_NKD = torch.randn(N, K, D, generator=torch.Generator().manual_seed(1))
    added = blurred(*drawn, noise_NKD) - blurred(*drawn, torch.zeros(N, K, D))
    torch.testing.assert_close(added, 0.2 * drawn[0].std() * noise_NKD, atol=1e-5, rtol=1e-5)
