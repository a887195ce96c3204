import json

import pytest

from anyany.evaluation import bounds as evaluation
from data_prep import bounds
from tests.data_prep.painter import painted

NUMBER = 11


@pytest.fixture
def parts(tmp_path, monkeypatch):
    (tmp_path / "stable_diffusion").mkdir()
    painted(tmp_path / "conf", {"stable_diffusion": "Picture"}, monkeypatch)
    return tmp_path


def test_they_go_into_the_decoders_folder_once(parts, capsys, monkeypatch):
    asked = ["--parts", str(parts), "--number", str(NUMBER)]
    assert bounds.main(asked) == 0
    files = sorted((parts / "stable_diffusion" / "bounds").iterdir())
    assert len(files) == 2  # test and test_novel
    right = sum(index % 2 == 0 and index % 5 != 4 for index in range(NUMBER))  # of what the painter makes
    for file in files:
        ceiling = json.loads(file.read_text())["ceiling"]["all_right"]
        assert (ceiling["value"], ceiling["n"]) == (pytest.approx(right / NUMBER, abs=1e-6), NUMBER)
    told = capsys.readouterr().out
    assert [line.split(":")[0] for line in told.splitlines()] == [
        f"stable_diffusion, easy, {split}" for split in ("test", "test_novel")
    ]
    monkeypatch.setattr(evaluation, "draw", None)
    assert bounds.main(asked) == 0  # as they stand there
    assert capsys.readouterr().out == told


def test_a_part_that_was_trained_anew_is_measured_anew(parts, monkeypatch):
    monkeypatch.setattr(bounds, "parse", lambda words, plain=bounds.parse: plain([*words, "--number", str(NUMBER)]))
    stale = parts / "stable_diffusion" / "bounds" / "image-of-the-former-one.json"
    stale.parent.mkdir()
    stale.write_text("{}")
    bounds.renew("stable_diffusion", parts)
    assert len(list(stale.parent.iterdir())) == 2
    assert not stale.exists()


def test_a_folder_without_decoders_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no decoder under"):
        bounds.main(["--parts", str(tmp_path)])
