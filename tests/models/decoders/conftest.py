from collections.abc import Callable
from pathlib import Path

import pytest

from anyany.models.decoders.latent_diffusion import LatentDiffusion
from tests.models.decoders.pipelines import FAMILIES, Family


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    """An untrained pipeline of each family."""
    root = tmp_path_factory.mktemp("pipelines")
    for name, family in FAMILIES.items():
        family.make(root / name)
    return {name: root / name for name in FAMILIES}


@pytest.fixture(params=FAMILIES)
def name(request) -> str:
    return request.param


@pytest.fixture
def family(name) -> Family:
    return FAMILIES[name]


@pytest.fixture
def loaded(folders, name) -> Callable[..., LatentDiffusion]:
    """The family's decoder with its weights, of these options."""

    def load(folder: Path | None = None, **options) -> LatentDiffusion:
        family = FAMILIES[name]
        decoder = family.kind(folder or folders[name], **{"num_steps": 4} | family.options | options)
        decoder.load()
        return decoder

    return load
