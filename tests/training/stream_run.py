"""A real training process over the stream, small enough to be killed many times.

It writes, rank by rank, a digest of every batch before it trains on it; ``tests/training/test_kill.py`` compares them.
"""

import argparse
import hashlib
import json
import logging
import os
import time
from functools import partial
from pathlib import Path

import torch
from lightning import Callback, Trainer, seed_everything
from torch import nn

from anyany.data import recipes
from anyany.data.loader import StepBatch
from anyany.data.records import RecordReader
from anyany.data.sources import open_source
from anyany.data.store import ShardStore
from anyany.messages.collate import Batch, map_tensors
from anyany.messages.vocabulary import RowTokens, Vocabulary
from anyany.models.encoders.patches import Patches
from anyany.models.llms.tokenizers import byte_level
from anyany.ops.fuse import fuse
from anyany.ops.losses import next_token_loss
from anyany.runs import LEDGER, latest_checkpoint
from anyany.training.callbacks import StreamLedger
from anyany.training.checkpoints import AtomicCheckpointIO, LatestCheckpoint
from anyany.training.datamodule import StreamDataModule
from anyany.training.module import TrainingModule
from anyany.training.process_group import closed_process_group

NUM_ROWS = 4


class SmallModel(nn.Module):
    """Reads every part of a batch: text, pictures at their slots, and the order of both; draws its dropout."""

    def __init__(self, vocab_size: int, dim: int = 16, dropout: float = 0.0):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.embed = nn.Embedding(vocab_size, dim)
        self.project = nn.Linear(3 * 16 * 16, NUM_ROWS * dim)
        self.mix = nn.Conv1d(dim, dim, 3)
        self.head = nn.Linear(dim, vocab_size)

    def forward(self, batch: Batch) -> dict[str, tuple[torch.Tensor, int]]:
        image = batch.media["image"]
        rows_RD = self.project(image.values.flatten(1) / 255).unflatten(1, (NUM_ROWS, -1)).flatten(0, 1)
        fused_BTD = fuse(self.embed(batch.input_ids_BT), rows_RD, image.slots_BT)
        mixed_BTD = self.mix(nn.functional.pad(fused_BTD.transpose(1, 2), (2, 0))).transpose(1, 2).relu()
        return {"text": next_token_loss(self.dropout(mixed_BTD), batch.labels_BT, self.head)}


class Late(Callback):
    """Holds one rank up between a step and its line in the ledger."""

    def __init__(self, rank: int | None):
        self.rank = rank

    def on_train_batch_end(self, trainer, *unused) -> None:
        if trainer.global_rank == self.rank:
            time.sleep(1)


class Digests(Callback):
    """What each rank was given, step by step, tensors to the last bit."""

    def __init__(self, folder: Path):
        self.folder = folder

    def on_train_batch_start(self, trainer, module, step: StepBatch, batch_idx: int) -> None:
        digest = hashlib.sha256()
        map_tensors(step.micro_batches, lambda tensor: digest.update(tensor.numpy().tobytes()) or tensor)
        keys = [sample for batch in step.micro_batches for sample in batch.samples]
        line = {"process": os.getpid(), "step": step.index, "digest": digest.hexdigest(), "keys": keys}
        with open(self.folder / f"batches-{trainer.global_rank}.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def data_module(args: argparse.Namespace) -> StreamDataModule:
    vocabulary = Vocabulary(byte_level(), "tiny", {"image": RowTokens("<|image|>", NUM_ROWS)})
    image = partial(recipes.read_media, modality="image")
    sources = [
        open_source("pairs", str(args.shards / "pairs-*.tar"), image, 2.0),
        open_source("talk", str(args.shards / "talk-*.tar"), recipes.as_it_is, 1.0),
    ]
    return StreamDataModule(
        sources,
        [],
        vocabulary,
        {"image": Patches(image_px=16, patch_px=8).preprocess("image")},
        RecordReader(ShardStore(args.run / "shards", 1 << 30)),
        args.run.parent / "cache",
        max_tokens=160,
        global_batch=args.global_batch,
        num_micro=args.micro,
        packed=args.packed,
        max_steps=args.steps,
        draws_per_epoch=90,
        block_samples=40,
        num_workers=args.workers,
        max_fault_rate=0.2,  # the shards hold a twentieth of faulty pairs on purpose
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--micro", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--global-batch", type=int, default=8)
    parser.add_argument("--packed", action="store_true")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--late-rank", type=int, help="this rank writes each step's ledger line a second late")
    parser.add_argument("--save-every", type=int, default=3)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    torch.set_num_threads(1)
    seed_everything(0, verbose=False)
    args.run.mkdir(parents=True, exist_ok=True)
    data = data_module(args)
    model = SmallModel(len(data.vocabulary), dropout=args.dropout)
    module = TrainingModule(model, partial(torch.optim.AdamW, lr=1e-2))
    trainer = Trainer(
        accelerator="cpu",
        devices=args.ranks,
        strategy="ddp" if args.ranks > 1 else "auto",
        max_steps=args.steps,
        max_epochs=-1,
        plugins=[AtomicCheckpointIO()],
        callbacks=[
            Late(args.late_rank),
            StreamLedger(args.run / LEDGER),
            Digests(args.run),
            LatestCheckpoint(args.run, args.save_every),
        ],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    with closed_process_group():
        trainer.fit(module, data, ckpt_path=latest_checkpoint(args.run), weights_only=True)
        if trainer.is_global_zero:
            torch.save(model.state_dict(), args.run / "final.pt")


if __name__ == "__main__":
    main()
