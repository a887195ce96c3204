import shlex

import pytest
import torch
from safetensors.torch import load_file

from anyany.models.decoders.stable_diffusion import StableDiffusion
from data_prep.conditioning import compute, main
from tests.launch.test_experiment import world  # noqa: F401

STAGE = [
    "experiment=from_scratch", "stage=dec_align", "source=[microworld_image]", "rows.image.decoder=stable_diffusion",
    "rows.image.output_projector=transformer", "llm.hidden_size=32",
]  # fmt: skip


def words(world, folder, *more):  # noqa: F811
    return [f"paths.data={world}", f"paths.cache={folder}", *STAGE, *more]


def test_captions_are_conditioned_once(world, tmp_path, monkeypatch, capsys):  # noqa: F811
    given = words(world, tmp_path)
    assert main(given) == 0
    told = capsys.readouterr().out.splitlines()[-2:]
    assert told == [
        "of the shards that the stage reads, 2 computed now, 0 kept",
        f"next: python train.py {shlex.join(given)}",
    ]
    files = sorted(tmp_path.rglob("*.safetensors"))
    items = [load_file(path)["items"] for path in files]
    assert sorted(map(len, items)) == [6, 16]  # val and train
    assert all(torch.isfinite(some).all() and some.float().std() > 0.1 for some in items)
    monkeypatch.setattr(StableDiffusion, "load", None)  # nothing is left to compute
    assert compute(given) == (0, 2)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["stage=enc_align"], "stage=enc_align has no conditioning to compute: give a stage that writes"),
        (["rows.image.decoder=null", "rows.image.output_projector=null"], "has no conditioning to compute"),
        (["decodr=x"], "decodr: no such"),
    ],
)
def test_what_cannot_be_computed_is_told_in_one_line(world, tmp_path, capsys, more, told):  # noqa: F811
    assert main(words(world, tmp_path, *more)) == 1
    assert told in capsys.readouterr().err


def test_help_tells_how_it_is_used(capsys):
    assert main(["--help"]) == 0
    assert (
        "python -m data_prep.conditioning stage=dec_align source=[cc3m] rows.image.decoder=" in capsys.readouterr().out
    )
