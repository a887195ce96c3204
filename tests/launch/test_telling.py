from types import SimpleNamespace

import pytest
from torch import nn

from anyany.launch.telling import parts_table, rows_table, sources_table, told
from tests.models.test_assemble import ROWS, assembled


def cells(table):
    columns = [list(column.cells) for column in table.columns]
    return {row[0]: row[1:] for row in zip(*columns, strict=True)}


@pytest.fixture
def model():
    parts = assembled(ROWS)
    model = parts.model()
    model.encoders.requires_grad_(False)
    return parts, model


def test_every_part_is_told_with_what_of_it_trains(model):
    parts, model = model
    model.llm.origin = "some/folder"
    found = cells(parts_table(model, parts))
    assert list(found) == ["encoders.patches", "input_projectors.linear", "llm", "all of the model"]
    numbers = {name: int(row[0].replace(",", "")) for name, row in found.items()}
    assert numbers["all of the model"] == sum(p.numel() for p in model.parameters())
    assert numbers["all of the model"] == sum(
        number for name, number in numbers.items() if "." in name or name == "llm"
    )
    assert found["encoders.patches"][1] == "0"
    projector = model.input_projectors["linear"]
    assert found["input_projectors.linear"][:3] == (f"{sum(p.numel() for p in projector.parameters()):,}",) * 2 + (
        "float32",
    )
    assert found["llm"][3] == "some/folder"


def test_an_encoder_whose_features_are_kept_stands_apart(model):
    parts, model = model
    encoder = parts.encoders["patches"]
    encoder.origin = "an/encoder"
    without = parts.model(encoded=True)
    found = cells(parts_table(without, parts))
    assert "encoders.patches" not in found
    assert found["encoder patches"][0] == f"{sum(p.numel() for p in encoder.parameters()):,}"
    assert found["encoder patches"][3] == "an/encoder"
    assert int(found["all of the model"][0].replace(",", "")) == sum(p.numel() for p in without.parameters())


def test_decoders_stand_apart(model):
    parts, model = model
    decoder = nn.Linear(2, 3, bias=False).requires_grad_(False).half()
    decoder.origin, decoder.spec = "a/decoder", SimpleNamespace(length=4, dim=5)
    parts.decoders["image"] = parts.conditioners["image"] = decoder
    found = cells(parts_table(model, parts))
    assert found["decoder of image"] == ("6", "0", "float16", "a/decoder")
    assert int(found["all of the model"][0].replace(",", "")) == sum(p.numel() for p in model.parameters())
    assert cells(rows_table(parts))["image"] == ("3", "2", "4 x 5")
    assert cells(rows_table(parts))["audio"] == ("3", "2", "")


def test_sources_and_the_whole_as_text(model):
    source = SimpleNamespace(name="pictures", num_records=12_345, headers=[None] * 7, weight=0.5)
    assert cells(sources_table([source])) == {"pictures": ("12,345", "7", "0.5")}
    text = told(model[1], model[0], [source])
    for word in ("pictures", "12,345", "encoders.patches", "all of the model", "signal tokens"):
        assert word in text
