import os

import pytest

from anyany.models import weights
from anyany.models.weights import digest_of_files, digest_of_folder


def test_names_sizes_and_contents_count(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"1")
    (tmp_path / "b.safetensors").write_bytes(b"2")
    digests = {digest_of_folder(tmp_path)}
    assert digests == {digest_of_folder(tmp_path)}
    for change in (
        lambda: (tmp_path / "b.safetensors").write_bytes(b"3"),
        lambda: (tmp_path / "b.safetensors").write_bytes(b"33"),
        lambda: (tmp_path / "b.safetensors").rename(tmp_path / "c.safetensors"),
        lambda: (tmp_path / "config.json").write_text("{}"),
    ):
        change()
        digests.add(digest_of_folder(tmp_path))
    assert len(digests) == 5
    (tmp_path / "figures.json").write_text("{}")
    (tmp_path / "README.md").write_text("x")
    assert digest_of_folder(tmp_path) in digests


def test_a_large_file_is_told_by_samples_its_ends_among_them(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "WHOLE", 1_000)
    monkeypatch.setattr(weights, "SAMPLES", 4)
    monkeypatch.setattr(weights, "SAMPLE", 10)
    data = bytearray(os.urandom(5_000))
    path = tmp_path / "big.safetensors"
    path.write_bytes(data)
    first, seen = digest_of_files([path]), set()
    for place in range(0, 5_000, 5):
        data[place] ^= 1
        path.write_bytes(data)
        if digest_of_files([path]) != first:
            seen.add(place)
        data[place] ^= 1
    assert seen == {
        start + offset for start in (0, 1_663, 3_326, 4_990) for offset in range(10) if (start + offset) % 5 == 0
    }


def test_no_files_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="no files of weights"):
        digest_of_folder(tmp_path)
