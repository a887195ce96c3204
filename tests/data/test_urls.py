import os
from pathlib import Path

import pytest

from anyany.data.urls import expand_urls, is_remote, remote_size
from tests.data.server import serving


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b-001.tar", "b-000.tar", "a.tar", "a.tar.index.jsonl", "a.parquet"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("a.tar", ["a.tar"]),
        ("./a.tar", ["a.tar"]),
        ("*.tar", ["a.tar", "b-000.tar", "b-001.tar"]),
        ("b-{000..001}.tar", ["b-000.tar", "b-001.tar"]),
        ("b-00{1,0}.tar", ["b-001.tar", "b-000.tar"]),
        (["b-*.tar", "a.tar"], ["b-000.tar", "b-001.tar", "a.tar"]),
        ("https://host/x-{00..02}.tar", [f"https://host/x-0{n}.tar" for n in range(3)]),
        (["s3://bucket/a.tar", "a.tar"], ["s3://bucket/a.tar", "a.tar"]),
    ],
)
def test_expands(folder: Path, spec: str | list[str], expected: list[str]) -> None:
    assert expand_urls(spec) == expected


def test_file_urls_and_home_become_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert expand_urls(f"file://{folder}//a.tar") == [str(folder / "a.tar")]
    assert expand_urls("~/a.tar") == [str(folder / "a.tar")]


def test_an_existing_name_is_no_pattern(folder: Path) -> None:
    os.rename("a.tar", "a[1].tar")
    assert expand_urls("a[1].tar") == ["a[1].tar"]


@pytest.mark.parametrize(
    "url",
    [
        "pipe:touch hacked; cat a.tar",
        "pipe://cat.tar",
        "PIPE:cat a.tar",
        "gopen:a.tar",
        "ftp://host/a.tar",
        "memory://a.tar",
        "ssh://host/a.tar",
        "simplecache::http://host/a.tar",
        "zip://a.tar::http://host/b.zip",
        "http::pipe:a.tar",
        "http://host/a.tar::file:///etc/a.tar",
        "http://host/a.tar?token=1",
        "http:a.tar",
        "data:1.tar",
    ],
)
def test_refuses_other_protocols(folder: Path, url: str) -> None:
    with pytest.raises(ValueError, match="refused"):
        expand_urls(["a.tar", url])
    assert not (folder / "hacked").exists()


def test_a_refusal_says_what_to_write() -> None:
    with pytest.raises(
        ValueError, match=r"local paths, file:// or http://, https://, s3://.*start a program.*'./data:1'"
    ):
        is_remote("data:1")


@pytest.mark.parametrize("spec", ["c-*.tar", ["a.tar", "c-*.tar"]])
def test_a_pattern_must_match(folder: Path, spec: str | list[str]) -> None:
    with pytest.raises(FileNotFoundError, match=r"'c-\*\.tar' matches nothing"):
        expand_urls(spec)


def test_missing_shards_are_listed_up_to_five(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing shard: c-0\.tar, .*c-4\.tar, and 3 more \(of 9 ") as error:
        expand_urls(["a.tar", "c-{0..7}.tar"])
    assert "c-5.tar" not in str(error.value)


@pytest.mark.parametrize(
    "spec",
    [["a.tar", "*.tar"], ["a.tar", "./a.tar"], ["a.tar", "file://{}/a.tar"], ["http://h/a.tar", "http://h/a.tar"]],
)
def test_refuses_duplicates(folder: Path, spec: list[str]) -> None:
    with pytest.raises(ValueError, match=r"more than once: .*a\.tar\. Raise a source's weight"):
        expand_urls([part.replace("{}", str(folder)) for part in spec])


@pytest.mark.parametrize("spec", ["*", "a.parquet", "s3://bucket/a.tar.gz", "."])
def test_refuses_what_is_no_tar(folder: Path, spec: str) -> None:
    with pytest.raises(ValueError, match="not shards"):
        expand_urls(spec)


def test_no_names_are_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="no shards"):
        expand_urls([])


def test_remote_globs_and_sizes(folder: Path) -> None:
    (folder / "a.tar").write_bytes(bytes(123))
    with serving(folder) as server:
        assert expand_urls(server.url("b-*.tar")) == [server.url("b-000.tar"), server.url("b-001.tar")]
        assert remote_size(server.url("a.tar")) == 123
        with pytest.raises(FileNotFoundError, match=r"missing shard: .*/c\.tar \(404"):
            remote_size(server.url("c.tar"))
    with pytest.raises(FileNotFoundError, match=r"missing shard: .*(refused|connect)"):
        remote_size(server.url("a.tar"))
