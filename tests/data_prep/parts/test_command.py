"""The command that trains the parts, with parts that take no time."""

from types import SimpleNamespace

import pytest

from anyany.faults import UserError
from anyany.figures import share
from data_prep.parts import __main__ as command
from data_prep.parts.cards import CARD, read_figures


@pytest.fixture
def trained(monkeypatch):
    """The names of the parts that were trained, and what a training of a name raises."""
    seen: list[str] = []
    faults: dict[str, BaseException] = {}

    def part(module):
        name = module.rpartition(".")[2]

        def train(job):
            if name in faults:
                raise faults[name]
            (job.out / name).mkdir(parents=True)
            seen.append(name)
            return 60.0

        figures = {"easy.right": share(3, 4)}
        return SimpleNamespace(train=train, measure=lambda folder: figures, RECIPE={"a": "b"}, __doc__=f"A {name}.")

    monkeypatch.setattr(command, "import_module", part)
    monkeypatch.setattr(command, "machine", lambda device: f"a {device}")
    monkeypatch.setattr(command.bounds, "renew", lambda name, parts: seen.append(f"bounds of {parts / name}"))
    return seen, faults


def options(tmp_path, *more):
    return ["--out", str(tmp_path / "out"), "--work", str(tmp_path / "work"), *more]


def test_all_parts_are_trained_in_order_and_get_their_cards(trained, tmp_path, capsys):
    assert command.main(options(tmp_path)) == 0
    seen = [name for name in trained[0] if not name.startswith("bounds of ")]
    measured = [name for name in trained[0] if name not in seen]
    assert seen == list(command.NAMES)
    assert measured == [f"bounds of {tmp_path / 'out' / name}" for name in seen[2:]]  # of decoders
    assert seen.index("stable_diffusion") < seen.index("zeroscope")
    for name in seen:
        assert read_figures(tmp_path / "out" / name)["easy.right"].n == 4
        assert f"A {name}." in (tmp_path / "out" / name / CARD).read_text()
    assert "llama: easy.right 0.750 (0.301 to 0.954, n = 4)\n" in capsys.readouterr().out


def test_parts_are_trained_by_name(trained, tmp_path):
    assert command.main(options(tmp_path, "--part", "zeroscope", "--part", "llama")) == 0
    assert trained[0] == ["zeroscope", f"bounds of {tmp_path / 'out' / 'zeroscope'}", "llama"]


def test_a_stop_says_how_to_go_on(trained, tmp_path, capsys):
    trained[1]["imagebind"] = KeyboardInterrupt()
    assert command.main(options(tmp_path)) == 130
    assert capsys.readouterr().out.endswith("stopped; the same command goes on from here\n")
    assert trained[0] == ["llama"]


def test_an_error_of_the_user_is_one_line(trained, tmp_path):
    trained[1]["zeroscope"] = UserError("it begins from another")
    with pytest.raises(SystemExit) as stopped:
        command.main(options(tmp_path, "--part", "zeroscope"))
    assert stopped.value.code == "it begins from another"


def test_unknown_parts_are_refused(capsys):
    with pytest.raises(SystemExit):
        command.parse(["--part", "clap"])
    assert "invalid choice: 'clap'" in capsys.readouterr().err
