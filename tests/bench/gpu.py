"""What a GPU brings to each stage, with the tiny parts: against the CPU, and bf16 against fp32."""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.bench.report import Figure
from tests.bench.training import rate, ratio, write_world

STAGES = ("enc_align", "dec_align", "instruct")
ROWS = "data.global_batch=16"


def stages(folder: Path) -> Iterator[Figure]:
    sys.stdout.write(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n")
    write_world(folder)
    for stage in STAGES:
        rate(folder, f"{stage}-warm", f"stage={stage}", "trainer=gpu", "stage.max_steps=1", ROWS)  # fills the caches
        on_cpu = rate(folder, f"{stage}-cpu", f"stage={stage}", ROWS)
        in_fp32 = rate(folder, f"{stage}-fp32", f"stage={stage}", "trainer=gpu", "trainer.precision=32-true", ROWS)
        torch.cuda.reset_peak_memory_stats()
        in_bf16 = rate(folder, f"{stage}-bf16", f"stage={stage}", "trainer=gpu", ROWS)
        peak = torch.cuda.max_memory_allocated() / 2**20
        yield ratio(f"{stage}, GPU / CPU, fp32", in_fp32, on_cpu)
        yield ratio(f"{stage}, bf16 / fp32", in_bf16, in_fp32)
        yield Figure(f"{stage}, most memory, bf16", peak, unit="MiB")
