import gzip
import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import webdataset as wds

from anyany.data.scan import ShardFault, ShardHeader, scan_shard
from tests.data.shards import pair_records, write_shard, write_tar

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
LONG = "folder/" * 20 + "k" * 120  # more than a plain tar header holds

LAYOUTS: dict[str, list[tuple[str, bytes]]] = {
    "img2dataset": [(f"{key}.{e}", d) for key, by_name in pair_records(7) for e, d in by_name.items()],
    "folders": [("./a/b.jpg", b"1"), ("./a/b.txt", b"2"), ("./c/b.jpg", b"3"), ("a.b/c.txt", b"4")],
    "dots": [("x.jpg", b"1"), ("x.seg.png", b"22"), ("k.scene.json", b"{}"), ("k.TXT", b"big")],
    "hidden": [
        (".DS_Store", b"0"),
        ("a.jpg", b"1"),
        ("._a.txt", b"0"),
        ("a.txt", b"2"),
        ("README", b"0"),
        ("b.txt", b""),
    ],
    "meta": [("__meta__/x.json", b"0"), ("__index__", b"0"), ("a.txt", b"1")],
    "zero": [("a.jpg", b""), ("a.txt", b"1"), ("b.jpg", bytes(512)), ("b.txt", bytes(513)), ("b.", b"bare dot")],
    "unicode": [("ключ é.txt", b"1"), ("line\x0bbreak\x85.txt", b"2")],
    "empty": [],
}


def as_webdataset_reads(path: Path) -> list[tuple[str, dict[str, bytes]]]:
    """(key, members) by webdataset's own pipeline, which streams and knows no offsets."""
    samples = wds.tariterators.tarfile_samples([{"url": str(path)}])
    return [(s["__key__"], {k: v for k, v in s.items() if not k.startswith("__")}) for s in samples]


def as_index_says(path: Path) -> list[tuple[str, dict[str, bytes]]]:
    index, data = scan_shard(path), path.read_bytes()
    records = zip(index.keys, index.members, strict=True)
    return [(key, {name: data[at : at + size] for name, (at, size) in members.items()}) for key, members in records]


def test_count_of_layouts() -> None:
    assert len(LAYOUTS) * len(FORMATS) == 24


@pytest.mark.parametrize("tar_format", FORMATS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_records_are_those_that_webdataset_reads(tmp_path: Path, layout: str, tar_format: str) -> None:
    path = write_tar(tmp_path / "a.tar", LAYOUTS[layout], FORMATS[tar_format])
    expected = as_webdataset_reads(path)
    assert as_index_says(path) == expected
    header = scan_shard(path).header
    assert (header.num_records, header.size_bytes, header.truncated) == (len(expected), path.stat().st_size, False)
    assert sum(header.extensions.values()) == sum(len(members) for _, members in expected)


@pytest.mark.parametrize("tar_format", ["gnu", "pax"])
def test_long_names_and_pax_headers(tmp_path: Path, tar_format: str) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=FORMATS[tar_format], pax_headers={"comment": "global"}) as tar:
        for extension, data in (("jpg", b"picture"), ("txt", b"words")):
            info = tarfile.TarInfo(f"{LONG}.{extension}")
            info.size, info.mtime = len(data), 1.5  # the fraction forces a pax header
            tar.addfile(info, io.BytesIO(data))
    assert as_index_says(path) == [(LONG, {"jpg": b"picture", "txt": b"words"})] == as_webdataset_reads(path)


def test_offsets_by_hand(tmp_path: Path) -> None:
    """A header is 512 bytes, data is padded to 512, the whole to 10240."""
    path = write_tar(tmp_path / "a.tar", [("a.jpg", bytes(513)), ("a.txt", b"123"), ("b.txt", b"")])
    index = scan_shard(path)
    assert index.keys == ["a", "b"]
    assert index.members == [{"jpg": (512, 513), "txt": (2048, 3)}, {"txt": (3072, 0)}]
    assert replace(index.header, digest="") == ShardHeader(str(path), 2, 10240, {"jpg": 1, "txt": 2})


def test_the_digest_follows_what_is_written_anew(tmp_path: Path) -> None:
    def digest(*members: tuple[str, bytes]) -> str:
        return scan_shard(write_tar(tmp_path / "a.tar", members)).header.digest

    base = digest(("a.txt", b"one"), ("b.txt", b"two"))
    assert digest(("a.txt", b"one"), ("b.txt", b"two")) == base
    others = [digest(("a.txt", b"four"), ("b.txt", b"five")), digest(("b.txt", b"two"), ("a.txt", b"one"))]
    assert len({base, *others}) == 3


def test_a_tar_of_webdataset(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with wds.TarWriter(str(path), encoder=False, mtime=0) as writer:
        writer.write({"__key__": "k/0", "jpg": b"1", "seg.png": b"22"})
    assert as_index_says(path) == [("k/0", {"jpg": b"1", "seg.png": b"22"})]


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("dir", tarfile.DIRTYPE), ("l.txt", tarfile.SYMTYPE), ("h.txt", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            tar.addfile(info)
        tar.addfile(tarfile.TarInfo("README"))
    header = scan_shard(path).header
    assert (header.num_records, header.faults) == (0, {"link": 2, "unnamed": 1})


def test_a_second_archive_behind_the_first_is_counted(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", pair_records(3))
    path.write_bytes(path.read_bytes() * 2)
    header = scan_shard(path).header
    assert (header.num_records, header.faults, header.truncated) == (3, {"archive_after_end": 1}, False)


@pytest.mark.parametrize(
    ("names", "first", "again"),
    [
        (["a.jpg", "b.jpg", "a.txt"], 0, 2048),  # apart: webdataset would make three records of it
        (["a.jpg", "a.txt", "b.txt", "a.jpg"], 0, 3072),
        (["b.txt", "a.jpg", "a.JPG"], 1024, 2048),
    ],
)
def test_refuses_keys_that_come_twice(tmp_path: Path, names: list[str], first: int, again: int) -> None:
    path = write_tar(tmp_path / "a.tar", [(name, b"x") for name in names])
    with pytest.raises(ShardFault, match=rf"a\.tar: key 'a' starts at byte {first} and .* at byte {again}\.") as error:
        scan_shard(path)
    assert error.value.kind == "duplicate_key"
    assert pickle.loads(pickle.dumps(error.value)).args == error.value.args


def test_refuses_what_is_no_plain_tar(tmp_path: Path) -> None:
    tar = write_shard(tmp_path / "a.tar", pair_records(3)).read_bytes()
    path = tmp_path / "b.tar"
    for content, kind in [
        (b"", "not_a_tar"),
        (bytes(range(256)) * 8, "not_a_tar"),
        (tar[:300], "not_a_tar"),
        (gzip.compress(tar), "compressed"),
    ]:
        path.write_bytes(content)
        with pytest.raises(ShardFault, match=r"b\.tar is ") as error:
            scan_shard(path)
        assert error.value.kind == kind


@pytest.mark.parametrize("tar_format", FORMATS)
def test_a_cut_off_tar_at_every_place(tmp_path: Path, tar_format: str) -> None:
    """Cut anywhere: exactly the members whose bytes are all there are indexed."""
    members = [("a.jpg", bytes(700)), ("a.txt", b"12"), (f"{LONG[:90]}.txt", b"3"), ("b.txt", bytes(512))]
    whole = write_tar(tmp_path / "a.tar", members, FORMATS[tar_format]).read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        ends = [info.offset_data + info.size for info in tar]
    path, end_of_data = tmp_path / "cut.tar", -(-ends[-1] // 512) * 512
    for size in range(512, end_of_data + 513, 64):
        path.write_bytes(whole[:size])
        index = scan_shard(path)
        assert sum(len(record) for record in index.members) == sum(end <= size for end in ends)
        assert index.header.truncated == (size < end_of_data + 512)
        assert index.header.size_bytes == size


def test_a_damaged_header_does_not_pass_for_the_end(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", pair_records(3))
    data = bytearray(path.read_bytes())
    start = scan_shard(path).members[1]["txt"][0] - 512
    data[start : start + 8] = b"\xff" * 8
    path.write_bytes(data)
    header = scan_shard(path).header
    assert (header.num_records, header.extensions, header.truncated) == (2, {"jpg": 2, "json": 1, "txt": 1}, True)


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("a.txt")
        info.type = tarfile.GNUTYPE_SPARSE
        tar.addfile(info)
    with pytest.raises(ShardFault, match="sparse"):
        scan_shard(path)
