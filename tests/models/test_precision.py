import pytest
import torch

from anyany.models.precision import is_bf16


@pytest.mark.parametrize(("precision", "rounds"), [("fp32", False), ("bf16", True)])
def test_what_is_asked_for_is_done(precision, rounds):
    assert is_bf16(precision, "cpu") is rounds


@pytest.mark.parametrize("able", [True, False])
def test_auto_asks_the_processor(able, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: not able)
    assert is_bf16("auto", "cpu") is able
    assert is_bf16("auto", "cuda") is not able
