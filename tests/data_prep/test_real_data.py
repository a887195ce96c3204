"""Every record of the real samples: through its module, through verification, and through the stream."""

import json
import os
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from anyany.data import recipes
from anyany.data.lengths import LengthTables
from anyany.data.loader import MicroBatches, StepLoader
from anyany.data.plan import Plan
from anyany.data.records import RecordReader
from anyany.data.samples import SampleReader
from anyany.data.sources import open_source
from anyany.media.table import MEDIA
from anyany.messages.vocabulary import RowTokens, TokenLayout, Vocabulary
from anyany.models.encoders.patches import Patches
from anyany.models.llms.tokenizers import byte_level
from data_prep import mosit, nextgpt, verify
from tests.data.shards import local_store
from tests.data_prep.sources import messages, records, report

ROOT = Path(os.environ.get("ANYANY_REAL_DATA", Path(__file__).parents[3] / "shared" / "data" / "real"))
FOLDERS = {
    "image": ROOT / "cc3m" / "images",
    "video": ROOT / "webvid" / "videos",
    "audio": ROOT / "audiocaps" / "audios",
}
LISTS = {
    "pairs": [ROOT / "cc3m/cc3m.json", ROOT / "webvid/webvid.json", ROOT / "audiocaps/audiocap.json"],
    "comprehension": sorted(ROOT.glob("*/*_comprehension.json")),
    "generation": sorted(ROOT.glob("*/*_generation.json")),
}
NUM_ROWS = 4
DEMONSTRATIONS = sorted((ROOT / "mosit_demonstrations").glob("T_*.txt"))

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="no real samples: $ANYANY_REAL_DATA names no folder")


def listed(kind: str) -> list[dict]:
    return [entry for path in LISTS[kind] for entry in json.loads(path.read_text())]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder of shards for each kind."""
    folder = tmp_path_factory.mktemp("real")
    media = ["--media", *map(str, FOLDERS.values())]
    for kind, lists in LISTS.items():
        arguments = ["--list", *map(str, lists), *media, "--out", str(folder / kind), "--shard", "20", "--workers", "1"]
        assert nextgpt.main(arguments) == 0
    arguments = ["--list", *map(str, DEMONSTRATIONS), "--out", str(folder / "mosit"), "--keep-text", "--val", "0"]
    assert mosit.main([*arguments, "--workers", "1"]) == 0
    return folder


def stream(sources, cache: Path):
    """One epoch of packed rows: the keys of its samples, the faults of its holes, and the media read."""
    layouts = {m: TokenLayout(signals=tuple(f"<|{m}_{n}|>" for n in range(2))) for m in MEDIA}
    vocabulary = Vocabulary(byte_level(), "tiny", {m: RowTokens(f"<|{m}|>", NUM_ROWS, layouts[m]) for m in MEDIA})
    encoder = Patches(image_px=32)
    preprocess = {modality: encoder.preprocess(modality) for modality in MEDIA}
    reader = RecordReader(local_store(cache))
    samples = SampleReader(sources, reader, vocabulary, preprocess, max_tokens=3000)
    lengths = LengthTables(sources, reader, vocabulary, cache)
    plan = Plan([source.order(seed=0) for source in sources], 4, lengths=lengths, max_tokens=3000)
    steps = list(StepLoader(plan, MicroBatches(samples, 3000), plan.num_steps(1)))
    batches = [batch for step in steps for batch in step.micro_batches]
    keys = Counter(key for batch in batches for _, key in batch.samples)
    media = Counter()
    for modality, read in [each for batch in batches for each in batch.media.items()]:
        slots_BT = read.slots_BT
        media[modality] += len(set((slots_BT[slots_BT >= 0] // NUM_ROWS).tolist()))
    return keys, [hole for batch in batches for hole in batch.holes], media


@pytest.mark.parametrize("kind", LISTS)
def test_every_record_becomes_one(prepared, kind, record_property):
    entries, found = listed(kind), records(prepared / kind)
    record_property("found", f"{len(entries)} real records of kind {kind}")
    assert len(entries) == 43
    told = report(prepared / kind)
    assert (told["listed"], told["written"], told["left_out"], told["notes"]) == (43, 43, {}, {})
    assert len(found) == 43
    files = sorted(path.read_bytes() for folder in FOLDERS.values() for path in folder.iterdir())
    held = sorted(d for members in found.values() for e, d in members.items() if e not in ("txt", "json"))
    assert held == files


def test_captions_of_pairs_are_as_published(prepared):
    found = records(prepared / "pairs")
    captions = Counter(members["txt"].decode() for members in found.values())
    assert captions == Counter(entry["caption"] for entry in listed("pairs"))


@pytest.mark.parametrize("kind", ["comprehension", "generation"])
def test_conversations_keep_words_and_media(prepared, kind):
    """Read back, each conversation is the published one: placeholders and their names in place of the media."""
    entries = listed(kind)
    found = list(records(prepared / kind).values())
    assert len(found) == len(entries)
    for entry, members in zip(entries, found, strict=True):
        modality = next(m for m in MEDIA if f"<{m}>" in json.dumps(entry["conversations"]))
        name = entry.get(f"input_{modality}") or entry[f"output_{modality}"]
        turns = messages(members)
        for (role, parts), turn in zip(turns, entry["conversations"], strict=True):
            assert role == {"human": "user", "gpt": "assistant"}[turn["from"]]
            words = [part if isinstance(part, str) else f"<{part[0]}>" for part in parts]
            assert "".join("".join(words).split()) == "".join(turn["value"].split())
            for part in parts:
                if not isinstance(part, str):
                    assert members[part[1]] == (FOLDERS[modality] / name).read_bytes()
                    assert part[2] == (entry[f"{modality}_captions"] if kind == "generation" else None)


def test_demonstrations_keep_every_turn_and_mark(prepared, record_property):
    text = "\n".join(path.read_text() for path in DEMONSTRATIONS)
    lines = [line for line in text.splitlines() if line.strip()]
    num_turns = sum(line.startswith(("Human", "GPT")) for line in lines)
    num_marks = sum(text.count(f"<{modality.capitalize()}>") for modality in MEDIA)
    found = records(prepared / "mosit")
    record_property("found", f"{len(found)} demonstrations with {num_turns} turns and {num_marks} marks")
    turns = [turn for members in found.values() for turn in messages(members)]
    told = report(prepared / "mosit")
    assert told["left_out"] == {}
    assert len(turns) == num_turns - told["notes"].get("joined_turns", 0)
    num_targets = sum(not isinstance(part, str) for _, parts in turns for part in parts)
    assert num_targets == told["notes"]["target_by_caption"]
    assert num_targets + told["notes"]["kept_as_text"] == num_marks
    said = "".join("".join(part if isinstance(part, str) else part[2] for part in parts) for _, parts in turns)
    letters = [line.split(":", 1)[-1].split("\uff1a", 1)[-1] for line in lines if not line.startswith("----")]
    for modality in MEDIA:
        letters = [
            line.replace(f"<{modality.capitalize()}>", "").replace(f"</{modality.capitalize()}>", "")
            for line in letters
        ]
    assert Counter("".join(said.split())) - Counter("".join("".join(letters).split())) == Counter()


def test_demonstrations_without_their_media_are_left_out_unless_text_is_kept(tmp_path):
    arguments = ["--list", *map(str, DEMONSTRATIONS), "--out", str(tmp_path), "--val", "0", "--workers", "1"]
    assert mosit.main(arguments) == 0
    told = report(tmp_path)
    shown = sum("Human" in line and any(f"<{m.capitalize()}>" in line for m in MEDIA) for line in _lines())
    assert 0 < told["left_out"]["missing_media"] <= shown
    assert told["written"] + told["left_out"]["missing_media"] == told["listed"]


def _lines() -> list[str]:
    return [line for path in DEMONSTRATIONS for line in path.read_text().splitlines()]


def test_all_shards_verify(prepared, capsys):
    assert verify.main([f"{prepared}/*/*/*.tar", "--workers", "1"]) == 0
    assert verify.main([f"{prepared}/*/*/*.tar", "--workers", "1", "--drop-list", str(prepared / "drops.jsonl")]) == 0
    told = capsys.readouterr().out.split()
    assert int(told[told.index("records") + 1]) == 3 * 43 + 31
    assert int(told[told.index("bad") + 1]) == 0


@pytest.mark.parametrize(("kind", "modalities"), [("comprehension", MEDIA), ("generation", ()), ("mosit", ())])
def test_conversations_go_through_the_stream(prepared, kind, modalities, tmp_path):
    source = open_source(kind, f"{prepared / kind}/train/*.tar", recipes.as_it_is)
    keys, holes, media = stream([source], tmp_path)
    assert holes == []
    assert keys == Counter(list(records(prepared / kind)))
    if modalities:
        assert media == Counter({"image": 15, "video": 13, "audio": 15})


@pytest.mark.parametrize("recipe", [recipes.read_media, recipes.make_media])
def test_pairs_go_through_the_stream(recipe, tmp_path):
    sources = []
    for modality, path in zip(MEDIA, LISTS["pairs"], strict=True):
        out = tmp_path / modality
        arguments = ["--list", str(path), "--media", str(FOLDERS[modality]), "--out", str(out), "--workers", "1"]
        assert nextgpt.main(arguments) == 0
        sources.append(open_source(modality, f"{out}/train/*.tar", partial(recipe, modality=modality)))
    keys, holes, media = stream(sources, tmp_path / "cache")
    assert holes == []
    assert keys == Counter(list(records(tmp_path)))
    if recipe is recipes.read_media:
        assert media == Counter({"image": 15, "video": 13, "audio": 15})
