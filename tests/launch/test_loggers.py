"""Each logger in a short run: what it needs is installed, and it writes where the run is."""

import json
import struct
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.loggers import WandbLogger

from anyany.launch.command_line import CONF
from anyany.launch.experiment import assembled, data_of, train
from anyany.messages.types import Media, Text, assistant, user
from anyany.microworld.scenes import SCENES
from anyany.models.generate import Reply
from anyany.training import showing
from anyany.training.showing import COLUMNS, NUMBER, Request, Showing, first_requests
from tests.launch.test_experiment import PAINTED, config, run, world  # noqa: F401

LEFT = {
    "csv": "metrics/version_0/metrics.csv",
    "tensorboard": "metrics/version_0/events.out.tfevents.*",
    "wandb": "wandb/offline-run-*/run-*.wandb",
}


def test_every_logger_is_tried(record_property):
    found = sorted(path.stem for path in (CONF / "logger").glob("*.yaml"))
    record_property("found", f"{len(found)} loggers")
    assert found == sorted(LEFT)


@pytest.mark.parametrize("logger", LEFT)
def test_a_logger_writes_into_the_folder_of_the_stage(world, tmp_path, run, logger):  # noqa: F811
    train(config(world, tmp_path, f"logger={logger}", "stage.max_steps=2", "stage.val_every=2"), run)
    (file,) = run.glob(LEFT[logger])
    if logger == "wandb":
        assert wandb_history(file)
    assert file.stat().st_size > 40  # a header alone has 7 bytes
    assert "wandb" not in sys.modules or sys.modules["wandb"].run is None


def wandb_records(path):
    """LevelDB's log of protobuf records, behind a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, whole, block = path.read_bytes(), 7, b"", 32_768
    while place + 7 <= len(data):
        if (left := block - place % block) < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        whole, place = whole + data[place + 7 : place + 7 + length], place + 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(whole)
            whole = b""


def wandb_history(path):
    """What a run has logged, a dict for each call. W&B's own process may write on after the run's end."""
    until = time.monotonic() + 60
    while not any(record.WhichOneof("record_type") == "exit" for record in wandb_records(path)):
        assert time.monotonic() < until, f"{path} has no end"
        time.sleep(0.05)
    calls = [one.history.item for one in wandb_records(path) if one.WhichOneof("record_type") == "history"]
    return [{item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items} for items in calls]


def test_wandb_gets_the_losses_of_training_and_validation(world, tmp_path, run):  # noqa: F811
    words = ["logger=wandb", "stage.max_steps=3", "stage.val_every=3", "+trainer.log_every_n_steps=1"]
    metrics = train(config(world, tmp_path, *words), run)
    (file,) = run.glob(LEFT["wandb"])
    logged = wandb_history(file)
    losses = [one["train/text"] for one in logged if "train/text" in one]
    assert len(losses) == 3
    assert len(set(losses)) == 3
    assert [one["val/text"] for one in logged if "val/text" in one] == [pytest.approx(metrics["val/text"])]


def test_a_tracker_gets_the_config_so_that_runs_can_be_compared(world, tmp_path, run, monkeypatch):  # noqa: F811
    from lightning.pytorch.loggers import WandbLogger

    given = []
    monkeypatch.setattr(WandbLogger, "log_hyperparams", lambda self, params: given.append(params))
    chosen = config(world, tmp_path, "logger=wandb", "stage.max_steps=1", "stage.val_every=null")
    train(chosen, run)
    (params,) = given
    assert {key: params[key] for key in chosen} == chosen
    assert 0 < params["trainable"] == params["parameters"]  # from_scratch trains all


def test_wandb_gets_what_the_model_made_at_each_validation(world, tmp_path, run):  # noqa: F811
    folder = run.parent / "dec_align"
    words = ["stage=dec_align", "source=[microworld_image]", "logger=wandb", "stage.max_steps=2", "stage.val_every=1"]
    train(config(world, tmp_path, *words, *PAINTED), folder)
    (media,) = folder.glob("wandb/offline-run-*/files/media")
    tables = sorted(media.glob("table/val/replies_*.table.json"))
    assert len(tables) == 2
    told = json.loads(tables[-1].read_text())
    assert told["columns"] == list(COLUMNS)
    assert len(told["data"]) == NUMBER
    for name, asked, wanted, _ in told["data"]:
        assert name.startswith("microworld_image/")
        caption = wanted.partition("[image: ")[2].removesuffix("]")
        assert caption
        assert caption in asked


def test_a_record_that_cannot_be_read_is_left_out_of_what_is_shown(world, tmp_path, monkeypatch, caplog):  # noqa: F811
    """As the stream leaves a hole there; training does not end for it."""
    chosen = config(world, tmp_path, "source=[microworld_image]")
    data = data_of(chosen, assembled(chosen))
    wanted = list(first_requests(data.samples(data.val_sources), NUMBER))
    assert [tuple(value.shape[0] for value in one.values) for one in wanted] == [(3,)] * NUMBER
    real, asked = showing.opened, []

    def second_fails(medium, preprocess):
        asked.append(medium)
        return real(Media("image", data=b"no picture") if len(asked) == 2 else medium, preprocess)

    monkeypatch.setattr(showing, "opened", second_fails)
    found = list(first_requests(data.samples(data.val_sources), NUMBER))
    assert [one.name for one in found] == [one.name for one in wanted[:1] + wanted[2:]]
    assert "not among what is shown: picture of 10 bytes" in caplog.text


MADE = {
    "image": (torch.zeros(3, 8, 8, dtype=torch.uint8), None),
    "video": (torch.zeros(8, 3, 32, 32, dtype=torch.uint8), 8.0),
    "audio": (torch.zeros(16_000), 16_000.0),
}


@pytest.mark.parametrize("modality", SCENES)
def test_what_a_reply_brings_is_shown_with_what_was_asked(tmp_path, modality):
    sent = []
    tensor, rate_hz = MADE[modality]
    replies = [Reply((Text("no"),)), Reply((Media(modality, tensor=tensor, caption="a red ring"),))]
    generator = SimpleNamespace(decoders={modality: SimpleNamespace(rate_hz=rate_hz)})
    requests = [Request(f"world/{n}", [user(f"draw {n}")], assistant("here")) for n in range(2)]
    logger = SimpleNamespace(log_table=lambda *a, **more: sent.append(more), log_metrics=lambda *a: sent.append(a))
    Showing(generator, requests, tmp_path)._log(logger, replies, 7)
    assert sent[0]["data"] == [
        ["world/0", "draw 0", "here", "no"],
        ["world/1", "draw 1", "here", f"[{modality}: a red ring]"],
    ]
    (media, step) = sent[1]
    assert (step, list(media)) == (7, [f"val/{modality}"])
    (shown,) = media[f"val/{modality}"]
    assert type(shown).__name__.lower() == modality
    assert shown._caption == "draw 1"
    (file,) = (tmp_path / "step=7").iterdir()
    assert file.stem == f"1-{modality}"


@pytest.mark.parametrize("modality", SCENES)
def test_wandb_holds_what_was_made(tmp_path, modality):
    tensor, rate_hz = MADE[modality]
    decoder = SimpleNamespace(rate_hz=rate_hz)
    requests = [Request("world/0", [user("draw")], assistant("here"))]
    logger = WandbLogger(save_dir=tmp_path, offline=True)
    reply = Reply((Media(modality, tensor=tensor, caption="a red ring"),))
    Showing(SimpleNamespace(decoders={modality: decoder}), requests, tmp_path)._log(logger, [reply], 7)
    logger.experiment.finish()
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    (file,) = folder.glob("run-*.wandb")
    kinds = {"image": "images", "video": "videos", "audio": "audio"}
    captions = f"val/{modality}/captions"
    assert [one[captions] for one in wandb_history(file) if captions in one] == [["draw"]]
    (kept,) = (folder / "files" / "media" / kinds[modality] / "val").iterdir()
    assert kept.read_bytes() == (tmp_path / "step=7" / f"0-{modality}{kept.suffix}").read_bytes()
