"""What the fast paths of training bring, each against the plain one, with the tiny parts."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from anyany.launch.command_line import composed
from anyany.launch.experiment import assembled, data_of, model_of, prepare, train, trains_of
from anyany.launch.targets import build
from anyany.ops.packing import segment_mask
from anyany.runs import COST
from anyany.training.trainable import parameter_groups
from data_prep import microworld
from tests.bench.report import Figure

STEPS = 25
QUIET = ["stage.val_every=null", "+trainer.enable_progress_bar=false", "~logger", "data.num_workers=1"]


def write_world(folder: Path) -> None:
    sizes = ["--train", "600", "--val", "10", "--test", "0", "--test-novel", "0", "--workers", "2"]
    microworld.main(["--out", str(folder / "microworld"), *sizes])


def config(folder: Path, run: str, *words: str) -> dict[str, Any]:
    paths = [f"paths.data={folder}", f"paths.outputs={folder}/outputs", f"paths.cache={folder}/cache"]
    return composed([*paths, *QUIET, f"run={run}", f"stage.max_steps={STEPS}", *words])


def rate(folder: Path, run: str, *words: str) -> float:
    """Samples a second from the first step to the last."""
    stage = folder / "outputs" / run
    stage.mkdir(parents=True)
    train(config(folder, run, *words), stage)
    return float(json.loads((stage / COST).read_text())["samples_per_s"]["value"])


def ratio(name: str, fast: float, plain: float, at_least: float | None = None) -> Figure:
    return Figure(name, fast / plain, at_least=at_least, detail=f"{fast:.0f} and {plain:.0f} samples/s")


def caches(folder: Path) -> Iterator[Figure]:
    write_world(folder)
    rate(folder, "fill", "stage=enc_align", "data.cache_features=true", "stage.max_steps=1")
    fast = rate(folder, "cached", "stage=enc_align", "data.cache_features=true")
    plain = rate(folder, "encoded", "stage=enc_align", "data.cache_features=false")
    yield ratio("enc_align, cached / encoded each time", fast, plain, 2.0)
    yield _conditioning(folder)


def _conditioning(folder: Path) -> Figure:
    """A step with conditioning from the cache, and the same with the captions' own text encoders beside it."""
    chosen = config(folder, "conditioned", "stage=dec_align")
    steps = Steps(chosen)
    for decoder in steps.parts.decoders.values():
        decoder.load(captions_only=True)
    seconds = {"cached": 0.0, "computed": 0.0}
    samples = 0
    for step in steps:
        samples += sum(len(batch.samples) for batch in step.micro_batches)
        begun = time.perf_counter()
        steps.update(step)
        seconds["cached"] += (cached := time.perf_counter() - begun)
        begun = time.perf_counter()
        with torch.no_grad():
            for name, decoder in steps.parts.decoders.items():
                if captions := step.micro_batches[0].targets[name].captions:
                    decoder.condition(captions)
        seconds["computed"] += cached + time.perf_counter() - begun
    rates = {name: samples / taken for name, taken in seconds.items()}
    return ratio("dec_align, conditioning kept / computed", rates["cached"], rates["computed"], 2.0)


def packed_rows(folder: Path) -> Iterator[Figure]:
    """Packed rows of ``max_tokens``, against padded batches of about as many samples."""
    write_world(folder)
    fast = rate(folder, "packed", "stage=instruct", "data.packed=true")
    plain = rate(folder, "padded", "stage=instruct", "data.packed=false", "data.global_batch=32")
    yield ratio("instruct, packed / padded", fast, plain, 1.3)


def segments(folder: Path) -> Iterator[Figure]:
    """There and back through the LLM with a row of twenty captions, and with a graph for their last six tokens."""
    llm = assembled(config(folder, "segments", "llm.lora_rank=0")).llm
    llm.load()
    segment_ids_BT = torch.arange(20).repeat_interleave(38)[None]
    embeddings_BTD = torch.randn(*segment_ids_BT.shape, llm.dim, requires_grad=True)
    positions_BT = torch.arange(38).repeat(20)[None]
    given = {"inputs_embeds": embeddings_BTD, "position_ids": positions_BT, "use_cache": False}

    is_signal_BT = positions_BT >= 32  # and the turn's end

    def masked() -> Any:
        return llm.base(attention_mask=segment_mask(segment_ids_BT, torch.float32), **given).last_hidden_state  # type: ignore[attr-defined]

    ways = {
        "segments": lambda: llm(embeddings_BTD, positions_BT, segment_ids_BT),
        "mask": masked,
        "signals": lambda: llm(embeddings_BTD, positions_BT, segment_ids_BT, is_signal_BT),
    }
    seconds = {}
    for name, states in ways.items():
        states().sum().backward()
        begun = time.perf_counter()
        for _ in range(10):
            states().sum().backward()
        seconds[name] = (time.perf_counter() - begun) / 10
    yield Figure(
        "a row of captions, within segments / with a mask",
        seconds["mask"] / seconds["segments"],
        at_least=1.3,
        detail=f"{seconds['segments']:.3f} and {seconds['mask']:.3f} s",
    )
    yield Figure(
        "a row of requests, a graph from the signals on / all",
        seconds["segments"] / seconds["signals"],
        at_least=1.2,
        detail=f"{seconds['signals']:.3f} and {seconds['segments']:.3f} s",
    )


def lightning(folder: Path) -> Iterator[Figure]:
    """The same steps by Lightning and by a bare loop; three steps before them fill the caches and warm up."""
    write_world(folder)
    chosen = config(folder, "bare", "stage=enc_align", "data.num_workers=0")
    rate(folder, "warm", "stage=enc_align", "data.num_workers=0", "stage.max_steps=3")
    by_lightning = rate(folder, "lightning", "stage=enc_align", "data.num_workers=0")
    steps = Steps(chosen)
    begun, samples = time.perf_counter(), 0
    for step in steps:
        steps.update(step)
        samples += sum(len(batch.samples) for batch in step.micro_batches)
    bare = samples / (time.perf_counter() - begun)
    yield Figure(
        "a bare loop / Lightning, samples a second",
        bare / by_lightning,
        at_most=1.05,
        detail=f"{bare:.0f} and {by_lightning:.0f} samples/s",
    )


class Steps:
    """The steps of a stage and what an update is, without Lightning."""

    def __init__(self, chosen: dict[str, Any]):
        self.parts = assembled(chosen)
        self.data = data_of(chosen, self.parts)
        prepare(chosen, self.parts, self.data)
        self.model = model_of(chosen, self.parts)
        groups = parameter_groups(self.model, trains_of(chosen, self.parts))
        self.trained = [parameter for group in groups for parameter in group["params"]]
        self.optimizer = build(chosen["optimizer"])(groups)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data.train_dataloader())

    def update(self, step: Any) -> None:
        for batch in step.micro_batches:
            terms = self.model(batch)
            torch.stack([total / max(step.counts[name], 1) for name, (total, _) in terms.items()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
