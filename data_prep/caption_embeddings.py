"""The reference system's published embeddings of captions -> one file that a row can name as its conditioning.

    python -m data_prep.caption_embeddings --list cc3m_generation.json --embeddings caption_embeddings \\
        --out data/captions/image.safetensors

    python train.py stage=dec_align rows.image.decoder=null rows.image.conditioning=data/captions/image.safetensors

A list holds entries with ``<modality>_captions`` and ``<modality>_caption_embeddings``, the name of a ``.npy`` file.
All embeddings of a file have one shape and are read at once: 0.16 MB each for Stable Diffusion's 77 x 1024.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from anyany.faults import UserError
from anyany.media.table import MEDIA


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    try:
        kept, again = write(args.list, args.embeddings, args.out)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{kept} captions in {args.out}, {again} entries more whose caption was there already\n")
    modality = args.out.stem if args.out.stem in MEDIA else "<modality>"
    words = {"decoder": "null", "output_projector": "transformer", "conditioning": args.out}
    row = " ".join(f"rows.{modality}.{name}={value}" for name, value in words.items())
    sys.stdout.write(f"next: python train.py stage=dec_align {row}\n")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.caption_embeddings",
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--list", type=Path, nargs="+", required=True, metavar="FILE", help="cc3m_generation.json ...")
    parser.add_argument("--embeddings", type=Path, required=True, metavar="FOLDER", help="where the .npy files lie")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="data/captions/image.safetensors")
    return parser.parse_args(arguments)


def write(lists: Sequence[Path], folder: Path, out: Path) -> tuple[int, int]:
    """(captions kept, entries whose caption was there already).

    Raises:
        UserError: a list without embeddings, a file that is missing or no array, arrays of several shapes.
    """
    import torch

    from anyany.models.caption_table import write_table

    found: dict[str, torch.Tensor] = {}
    again = 0
    for caption, name in _entries(lists):
        again += caption in found
        if caption not in found:
            found[caption] = _embedding(folder, name)
    shapes = {tuple(item.shape) for item in found.values()}
    if len(shapes) != 1:
        raise UserError(f"embeddings of shapes {sorted(shapes)}; one file holds those of one decoder: part the lists")
    write_table(out, list(found), torch.stack(list(found.values())))
    return len(found), again


def _entries(lists: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """(caption, name of the file) of each entry."""
    from data_prep.preparation.lists import read_json

    for path in lists:
        count = 0
        for entry in read_json(path):
            for modality in MEDIA if isinstance(entry, dict) else ():
                names = [entry.get(f"{modality}_captions"), entry.get(f"{modality}_caption_embeddings")]
                if all(isinstance(name, str) for name in names):
                    count += 1
                    yield str(names[0]), str(names[1])
        if not count:
            raise UserError(f"{path} has no entry with captions and caption_embeddings; give a *_generation.json")


def _embedding(folder: Path, name: str) -> Any:
    """``[L, D]``; a vector is one position."""
    import numpy as np
    import torch

    if Path(name).name != name:
        raise UserError(f"{name!r} is no plain file name; expected one in {folder}")
    try:
        array = np.load(folder / name, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / name}: {error}") from error
    if array.ndim not in (1, 2, 3):
        raise UserError(f"{folder / name} has shape {array.shape}; expected [D] or [L, D]")
    return torch.from_numpy(array.reshape(-1, array.shape[-1]))


if __name__ == "__main__":
    sys.exit(main())
