from functools import partial

import pytest
import torch

from anyany.data.recipes import make_media
from anyany.evaluation import alignment as module
from anyany.evaluation.alignment import alignment, distances
from anyany.evaluation.items import pairs
from anyany.messages.collate import Sample
from anyany.messages.render import render
from anyany.models.generate import Generator
from tests.models.test_anyany import SPECS, batch_of, wanted
from tests.models.test_assemble import WRITES, assembled

NUM = 5


def test_distances_by_hand():
    wanted_NLD = torch.tensor([[[0.0, 0.0], [3.0, 4.0]], [[2.0, 0.0], [3.0, 4.0]]])
    made_NLD = wanted_NLD + torch.tensor([[[3.0, 4.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 2.0]]])
    is_content_NL = torch.tensor([[True, False], [True, False]])
    found = {name: figure.value for name, figure in distances(made_NLD, wanted_NLD, is_content_NL).items()}
    assert found == pytest.approx({
        "content": (5 + 0) / 2, "padding": (1 + 2) / 2, "all": ((5 + 1) / 2 + (0 + 2) / 2) / 2,
        "predict_mean_content": 1.0, "predict_mean_padding": 0.0, "predict_mean_all": 0.5,
    })  # fmt: skip


def test_items_without_padding_have_no_figure_for_it():
    values_NLD = torch.randn(3, 2, 4)
    found = distances(values_NLD, values_NLD, torch.ones(3, 2, dtype=torch.bool))
    assert set(found) == {"all", "content", "predict_mean_all", "predict_mean_content"}
    assert found["all"].value == 0.0


class Asked:
    """A decoder as far as it is asked for captions."""

    def __init__(self, modality):
        self.modality = modality

    def condition(self, captions):
        return torch.stack([wanted(self.modality, caption) for caption in captions])

    def content(self, captions):
        return torch.ones(len(captions), SPECS[self.modality].length, dtype=torch.bool)


@pytest.mark.parametrize("modality", SPECS)
def test_it_is_the_distance_that_training_brings_down(monkeypatch, modality):
    parts = assembled(WRITES)
    model = parts.model().eval()
    items = list(pairs(modality, "easy", "test", NUM, partial(make_media, modality=modality)))
    rows = [Sample("s", "k", render([*item.messages, item.reply], parts.vocabulary)) for item in items]
    terms = [model(batch_of(parts, [[row]]))[f"{modality}/align"] for row in rows]
    assert [count for _, count in terms] == [1] * NUM
    generator = Generator(model, parts.vocabulary, parts.preprocess, {modality: Asked(modality)})
    monkeypatch.setattr(module, "BATCH", 2)
    found = alignment(generator, modality, items)
    assert found["all"].value == pytest.approx(sum(float(term) for term, _ in terms) / NUM, rel=1e-5)
    assert found["content"] == found["all"]
    assert "padding" not in found
    del generator.model.output_projectors[modality]
    assert alignment(generator, modality, items) == {}
