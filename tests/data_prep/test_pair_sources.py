"""CC3M, WebVid, AudioCaps and the reference system's pairs, in the layouts they are published in."""

import json
import zlib

import pytest

from data_prep import audiocaps, cc3m, nextgpt, webvid
from tests.data.shards import write_tar
from tests.data_prep.sources import JPEG, MP4, WAV, records, report, write

CAPTIONS = ["rugby player during the match .", 'a "quoted" one', "c" * 100_000, "Ünïcödé 猫 \u200bwith\u00a0spaces"]


def prepared(module, tmp_path, *arguments: str):
    status = module.main([*arguments, "--out", str(tmp_path / "out"), "--workers", "1"])
    assert status == 0
    return records(tmp_path / "out"), report(tmp_path / "out")


@pytest.mark.parametrize("header", ["", "caption\turl\n"])
@pytest.mark.parametrize("naming", ["{row:09d}.jpg", "{row}.png", "{crc}", "{row}_{crc}", "GCC_train_{row:09d}.jpg"])
def test_cc3m_finds_each_download_by_its_name(naming, header, tmp_path):
    urls = [f"http://host/{n}" for n in range(5)]
    listed = header + "".join(f"{caption}\t{url}\n" for caption, url in zip([*CAPTIONS, "gone"], urls, strict=True))
    for row, url in enumerate(urls[:4]):
        name = naming.format(row=row, crc=zlib.crc32(url.encode()))
        write(tmp_path / "training" / name, JPEG + bytes([row]))
    listed = write(tmp_path / "train.tsv", listed)
    found, told = prepared(cc3m, tmp_path, "--list", str(listed), "--media", str(tmp_path / "training"))
    assert sorted(found) == [f"{row:09d}" for row in range(4)]
    for row, members in enumerate(found.values()):
        image = members.get("jpg") or members["png"]
        assert image[-1] == row
        assert members["txt"].decode() == CAPTIONS[row]  # as published, to the last space
        assert json.loads(members["json"]) == {"url": urls[row]}
    assert told["left_out"] == {"missing_media": 1}


def test_cc3m_keeps_captions_as_text_where_it_is_told_to(tmp_path):
    listed = write(tmp_path / "train.tsv", "one\thttp://a\ntwo\thttp://b\n")
    write(tmp_path / "m" / "000000000.jpg", JPEG)
    arguments = ["--list", str(listed), "--media", str(tmp_path / "m"), "--keep-text"]
    found, told = prepared(cc3m, tmp_path, *arguments)
    assert {key: sorted(members) for key, members in found.items()} == {
        "000000000": ["jpg", "json", "txt"],
        "000000001": ["json", "txt"],
    }
    assert (told["left_out"], told["notes"]) == ({}, {"kept_as_text": 1})


@pytest.mark.parametrize("columns", ["videoid,contentUrl,duration,page_dir,name", "videoid,name,page_idx,page_dir"])
def test_webvid_finds_clips_in_pages_and_flat(columns, tmp_path):
    cells = {"videoid": 0, "contentUrl": "http://x", "duration": "PT00H00M17S", "page_idx": 1}
    rows = [(7, "000001_000050", '"waves, at dusk"'), (8, "", "no page"), (9, "000001_000050", "gone")]
    lines = []
    for videoid, page, name in rows:
        row = {**cells, "videoid": videoid, "page_dir": page, "name": name}
        lines.append(",".join(str(row[column]) for column in columns.split(",")))
    listed = write(tmp_path / "train.csv", "\n".join([columns, *lines]) + "\n")
    write(tmp_path / "videos" / "000001_000050" / "7.mp4", MP4)
    write(tmp_path / "videos" / "8.mp4", MP4)
    found, told = prepared(webvid, tmp_path, "--list", str(listed), "--media", str(tmp_path / "videos"))
    assert {key: members["txt"] for key, members in found.items()} == {"7": b"waves, at dusk", "8": b"no page"}
    assert found["7"]["mp4"] == MP4
    assert json.loads(found["7"]["json"])["page_dir"] == "000001_000050"
    assert told["left_out"] == {"missing_media": 1}


@pytest.mark.parametrize(
    "naming",
    [
        "{id}.wav",
        "{video}.wav",
        "Y{video}.flac",
        "{video}_30.wav",
        "{video}_30_40.wav",
        "{video}_30000_38123.wav",
        "{video}_000030.wav",
        "{video}_30.0.wav",
    ],
)
def test_audiocaps_finds_sounds_under_all_downloaders_names(naming, tmp_path):
    video = "-r_Ab-9xyzQ"
    other = "-R_Ab-9xyzQ"  # another video: names differ in case alone
    rows = (f"11,{video},30,A train", f"12,{video},30,A train again", f"13,{other},30,x")
    text = "\n".join(("audiocap_id,youtube_id,start_time,caption", *rows))
    for audiocap in ("11", "12"):
        write(tmp_path / "a" / naming.format(id=audiocap, video=video), WAV)
    listed = write(tmp_path / "val.csv", text)
    found, told = prepared(audiocaps, tmp_path, "--list", str(listed), "--media", str(tmp_path / "a"))
    assert {key: members["txt"] for key, members in found.items()} == {"11": b"A train", "12": b"A train again"}
    assert told["left_out"] == {"missing_media": 1}


def test_audiocaps_does_not_take_another_stretch_of_the_same_video(tmp_path):
    listed = write(
        tmp_path / "val.csv", "audiocap_id,youtube_id,start_time,caption\n1,abcdefghijk,30,c\n2,abcdefghijk,x,c\n"
    )
    write(tmp_path / "a" / "abcdefghijk_300000_310000.wav", WAV)
    write(tmp_path / "a" / "abcdefghijk_3.wav", WAV)
    found, told = prepared(audiocaps, tmp_path, "--list", str(listed), "--media", str(tmp_path / "a"))
    assert found == {}
    assert told["left_out"] == {"malformed": 1, "missing_media": 1}


def test_files_that_img2dataset_wrote(tmp_path):
    folder = tmp_path / "cc3m"
    for number in (0, 1, 10000):
        place = folder / f"{number // 10000:05d}" / f"{number:09d}"
        write(place.with_suffix(".jpg"), JPEG)
        write(place.with_suffix(".txt"), f"caption {number}")
        write(
            place.with_suffix(".json"), {"caption": "x", "url": f"http://{number}", "status": "success", "exif": None}
        )
    failed = {"caption": "y", "status": "failed_to_download", "error_message": "HTTP Error 404: Not Found"}
    write(folder / "00001" / "000010001.json", failed)
    write(folder / "00001" / "000010001.txt", "y")
    write(folder / "00000_stats.json", {"count": 3})
    write(folder / "_tmp" / "junk", "x")
    found, told = prepared(cc3m, tmp_path, "--downloaded", str(folder))
    assert {key: members["txt"] for key, members in found.items()} == {
        f"{n:09d}": f"caption {n}".encode() for n in (0, 1, 10000)
    }
    assert json.loads(found["000000001"]["json"])["url"] == "http://1"
    assert told["left_out"] == {"failed_download": 1}


def tars(folder, statistics=True):
    folder.mkdir()
    for number in range(3):
        members = [(f"0000{number}000{n}.{e}", d) for n in range(4) for e, d in (("jpg", JPEG), ("txt", b"c"))]
        write_tar(folder / f"0000{number}.tar", members)
        if statistics and number < 2:
            status = {"success": 4, "HTTP Error 404: Not Found": 3, "timed out": 1}
            write(folder / f"0000{number}_stats.json", {"count": 8, "successes": 4, "status_dict": status})
    return folder


def test_published_tars_are_indexed_and_not_touched(tmp_path, capsys):
    folder = tars(tmp_path / "cc3m")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("*.tar")}
    assert cc3m.main(["--downloaded", str(folder), "--workers", "1"]) == 0
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.glob("*.tar")}
    assert sorted(path.name for path in folder.glob("*.index.jsonl")) == [f"0000{n}.tar.index.jsonl" for n in (0, 1)]
    told = json.loads((folder / "report.json").read_text())
    assert (told["listed"], told["written"]) == (16, 8)
    assert told["left_out"] == {"HTTP Error 404: Not Found": 6, "timed out": 2}
    assert told["notes"] == {"unfinished_shards": 1}
    assert "8 (50.0%)" in capsys.readouterr().out


def test_parts_of_published_tars_are_reported_together(tmp_path):
    folder = tars(tmp_path / "cc3m")
    for part, shards in (("2/2", 1), ("1/2", 2)):
        assert cc3m.main(["--downloaded", str(folder), "--workers", "1", "--part", part]) == 0
        told = json.loads((folder / "report.json").read_text())
        assert (told["shards"], told["listed"], told["written"]) == (shards, 8 * shards, 4 * shards)


def test_tars_without_statistics_are_taken_as_they_are(tmp_path):
    folder = tars(tmp_path / "cc3m", statistics=False)
    assert cc3m.main(["--downloaded", str(folder), "--workers", "1"]) == 0
    told = json.loads((folder / "report.json").read_text())
    assert (told["shards"], told["listed"], told["written"], told["left_out"]) == (3, 12, 12, {})


def test_records_that_video2dataset_left_without_a_clip_are_counted(tmp_path):
    folder = tmp_path / "webvid"
    folder.mkdir()
    write_tar(folder / "00000.tar", [("0.mp4", MP4), ("0.txt", b"c"), ("1.txt", b"c"), ("1.json", b"{}")])
    assert webvid.main(["--downloaded", str(folder), "--workers", "1"]) == 0
    told = json.loads((folder / "report.json").read_text())
    assert (told["listed"], told["written"], told["left_out"]) == (2, 1, {"no_media": 1})


def test_a_download_takes_no_list(tmp_path, capsys):
    assert cc3m.main(["--downloaded", str(tmp_path), "--list", "x.tsv"]) == 2
    assert "takes no --list" in capsys.readouterr().err
    assert cc3m.main(["--downloaded", str(tmp_path / "none")]) == 2
    assert "is no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("modality", "file", "data"), [("image", "1.jpg", JPEG), ("video", "1.mp4", MP4), ("audio", "1.wav", WAV)]
)
def test_raw_pairs_of_the_reference_system(modality, file, data, tmp_path):
    entries = [{"caption": " As it stands. ", f"{modality}_name": file, "id": 5}, {"caption": "no name"}, "text"]
    listed = write(tmp_path / "l.json", entries)
    write(tmp_path / "m" / file, data)
    found, told = prepared(nextgpt, tmp_path, "--list", str(listed), "--media", str(tmp_path / "m"))
    assert found == {"1": {file[2:]: data, "txt": b" As it stands. ", "json": b'{"id": 5}'}}
    assert told["left_out"] == {"malformed": 2}
