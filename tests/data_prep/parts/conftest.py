from pathlib import Path

import pytest

from data_prep.parts import audioldm, imagebind, stable_diffusion, zeroscope


@pytest.fixture(scope="session")
def starts(tmp_path_factory) -> Path:
    """Folders of the untrained parts that media come from or go to, as their trainings begin with them."""
    root = tmp_path_factory.mktemp("starts")
    for part in (stable_diffusion, audioldm, imagebind):
        part.make(root / part.NAME)
    zeroscope.make(root / zeroscope.NAME, root / stable_diffusion.NAME)
    return root
