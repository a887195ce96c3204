import json

import numpy as np
import pytest
import torch

from anyany.models.caption_table import CaptionTable, write_table
from data_prep import caption_embeddings

ITEMS_CLD = torch.randn(3, 2, 4).half()
CAPTIONS = ["a red ring", "two dots", "a hiss"]


def test_each_caption_has_its_own_rows(tmp_path):
    write_table(tmp_path / "image.safetensors", CAPTIONS, ITEMS_CLD)
    table = CaptionTable(tmp_path / "image.safetensors")
    assert (table.spec.length, table.spec.dim, table.spec.normalised) == (2, 4, False)
    made_NLD = table.condition(["a hiss", "a red  ring\n", "a hiss"])
    assert torch.equal(made_NLD, ITEMS_CLD[[2, 0, 2]].float())


def test_vectors_of_norm_1_are_known_as_such(tmp_path):
    write_table(tmp_path / "audio.safetensors", CAPTIONS, torch.nn.functional.normalize(ITEMS_CLD.float(), dim=-1))
    assert CaptionTable(tmp_path / "audio.safetensors").spec.normalised


def test_what_the_table_does_not_hold_is_refused(tmp_path):
    write_table(tmp_path / "image.safetensors", CAPTIONS, ITEMS_CLD)
    with pytest.raises(ValueError, match="holds 3 captions, but not 'a cat'"):
        CaptionTable(tmp_path / "image.safetensors").condition(["a hiss", "a cat"])
    with pytest.raises(ValueError, match=r"data_prep\.caption_embeddings` writes such a file"):
        CaptionTable(tmp_path / "video.safetensors")


def test_another_file_has_another_digest(tmp_path):
    for name, items_CLD in {"a": ITEMS_CLD, "b": ITEMS_CLD, "c": ITEMS_CLD + 1}.items():
        (tmp_path / name).mkdir()
        write_table(tmp_path / name / "image.safetensors", CAPTIONS, items_CLD)
    a, b, c = (CaptionTable(tmp_path / name / "image.safetensors").digest() for name in "abc")
    assert a == b != c


@pytest.fixture
def published(tmp_path):
    """A list of the reference system's form with its arrays: one of a clip, two of the same caption."""
    for name, shape in {"1.jpg": (2, 4), "2.jpg": (1, 2, 4), "3.jpg": (2, 4)}.items():
        np.save(tmp_path / f"{name}.npy", np.full(shape, float(name[0]), np.float16))
    entries = [
        {"output_image": f"{n}.jpg", "image_captions": caption, "image_caption_embeddings": f"{n}.jpg.npy"}
        for n, caption in enumerate(["a red ring", "two dots", "a red ring"], 1)
    ]
    (tmp_path / "list.json").write_text(json.dumps(entries))
    return tmp_path


def run(folder, out="image.safetensors"):
    given = ["--list", folder / "list.json", "--embeddings", folder, "--out", folder / out]
    return caption_embeddings.main([str(word) for word in given])


def test_published_embeddings_become_a_table(published, capsys):
    assert run(published) == 0
    table = CaptionTable(published / "image.safetensors")
    assert table.condition(["two dots", "a red ring"])[:, 0, 0].tolist() == [2.0, 1.0]
    said = capsys.readouterr().out
    assert "2 captions" in said
    assert "1 entries more whose caption was there already" in said
    assert "rows.image.conditioning=" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "2.jpg.npy").unlink(), "2.jpg.npy"),
        (lambda folder: np.save(folder / "2.jpg.npy", np.zeros((3, 4))), "embeddings of shapes [(2, 4), (3, 4)]"),
        (lambda folder: np.save(folder / "2.jpg.npy", np.array([{}]), allow_pickle=True), "allow_pickle"),
        (lambda folder: (folder / "list.json").write_text("[{}]"), "has no entry with captions and caption_embeddings"),
        (
            lambda folder: (folder / "list.json").write_text(
                json.dumps([{"image_captions": "x", "image_caption_embeddings": "../x.npy"}])
            ),
            "'../x.npy' is no plain file name",
        ),
    ],
)
def test_what_cannot_be_kept_is_told(published, capsys, change, message):
    change(published)
    assert run(published) == 1
    assert message in capsys.readouterr().err
    assert not (published / "image.safetensors").exists()
