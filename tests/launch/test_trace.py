import re

import pytest

from anyany.launch.trace import main
from anyany.launch.way import trace
from data_prep import microworld


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    sizes = ["--train", "1", "--val", "40", "--test", "0", "--test-novel", "0", "--workers", "1"]
    microworld.main(["--out", str(folder / "microworld"), *sizes])
    painted = ["rows.image.decoder=stable_diffusion", "rows.image.output_projector=transformer"]
    words = ["experiment=from_scratch", *painted, f"paths.data={folder}", f"paths.cache={folder}/cache"]
    return list(trace(words))


@pytest.fixture
def ways(lines):
    """By title, the lines of each sample's way."""
    found = {}
    for line in "\n".join(lines).split("\n"):
        if line.startswith("== "):
            found[line[3:]] = current = []
        elif line:
            current.append(line)
    return found


def test_each_kind_of_sample_goes_all_the_way(ways):
    titles = ["microworld_image", "microworld_video", "microworld_audio", "a dialogue of all modalities"]
    assert [title.partition(",")[0] for title in ways] == titles
    for title, way in ways.items():
        steps = [int(match[1]) for line in way if (match := re.match(r"( ?\d+) [a-zA-Z]", line))]
        made = [11] if "dialogue" in title else []
        assert sorted(set(steps)) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, *made, 12]
        assert steps == sorted(steps) or steps.count(7) > 1  # several media go through 7 and 8 in turn


def test_shapes_are_those_of_the_parts(ways):
    clip = "\n".join(ways["microworld_video, as enc_align reads it"])
    assert "video mp4: [8, 3, 32, 32] uint8" in clip
    assert "values [1, 8, 3, 32, 32], 16 slots" in clip
    assert "video: patches [1, 128, 192]" in clip
    assert "video: linear [1, 16, 128]" in clip
    assert "audio: values [1, 32000], 0 slots (a dummy)" in clip


def test_slots_and_what_is_predicted_are_marked(ways):
    (text,) = (line.strip() for line in ways["microworld_audio, as enc_align reads it"] if "<|user|>" in line)
    assert re.fullmatch(r"<\|user\|>\[audio 0\.\.15\].+<\|assistant\|>\{.+<\|end\|>\}", text)


def test_the_dialogue_holds_every_modality(ways):
    way = "\n".join(ways["a dialogue of all modalities"])
    for modality in ("image", "video", "audio"):
        assert re.search(rf"\[{modality} (signal )?0\.\.\d+\]", way), modality
    assert "signal 0..3]" in way


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_one_line(flag, capsys):
    assert main([flag]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("usage: python -m anyany.launch.trace [")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+encoder.weigths=x", "encoder.weigths: no such key; did you mean weights?"),
        ("sed=1", "sed: no such key or group; did you mean seed?"),
    ],
)
def test_a_misspelt_override_is_refused_as_in_training(override, message, capsys):
    with pytest.raises(SystemExit) as end:
        main([override])
    assert end.value.code == message
    assert capsys.readouterr().out == ""
