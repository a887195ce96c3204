"""How quickly the microworld is written."""

import time
from collections.abc import Iterator
from pathlib import Path

from data_prep.microworld import parse, plan, write_all
from tests.bench.report import Figure


def writing(folder: Path) -> Iterator[Figure]:
    """All sets of a split, as ``python -m data_prep.microworld`` writes them, in two processes."""
    for level in ("easy", "standard", "hard"):
        arguments = ["--out", str(folder), "--level", level, "--train", "800", "--val", "0", "--test", "0"]
        args = parse([*arguments, "--test-novel", "0", "--shard", "100"])
        shards = list(plan(args, folder / level))
        media = [shard for shard in shards if not shard.set_name.startswith("text")]
        for name, chosen in (("all sets", shards), ("media and dialogues", media)):
            for shard in chosen:
                Path(shard.path).unlink(missing_ok=True)
            start = time.perf_counter()
            write_all(chosen, workers=2)
            rate = sum(shard.last - shard.first for shard in chosen) / (time.perf_counter() - start)
            yield Figure(f"records written a second, {level}, {name}", rate, at_least=200)
