"""Computes what decoders' own text encoders give for the captions of a stage, ahead of training, shard by shard.

python -m data_prep.conditioning stage=dec_align source=[cc3m] rows.image.decoder=stable_diffusion \\
    rows.image.output_projector=transformer

The words are those of train.py, which does the same itself for what is missing when it starts. Shards that are done are
kept, so it can be stopped and started again, and on several machines that share paths.cache.
"""

import logging
import sys
from collections.abc import Sequence

from anyany.faults import UserError
from anyany.surroundings import settle


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & set(given):
        sys.stdout.write(__doc__ or "")
        return 0
    settle()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        written, there = compute(given)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"conditioning of {written} shards computed now, of {there - written} kept\n")
    sys.stdout.write(f"next: python train.py {' '.join(given)}\n")
    return 0


def compute(overrides: Sequence[str]) -> tuple[int, int]:
    """(shards computed now, shards in all), those of validation too.

    Raises:
        UserError: where the words are wrong, or there is no decoder to compute with.
    """
    from anyany.launch.command_line import composed
    from anyany.launch.experiment import asked_for, assembled, data_of, device_of
    from anyany.training.features import prepare

    config = composed(overrides)
    with asked_for():
        parts = assembled(config)
        data = data_of(config, parts)
    data.features = {}
    if not data.conditioning:
        raise UserError(
            f"stage={config['stage']['name']} has no conditioning to compute: give a stage that writes, "
            "and a row with a decoder and an output_projector"
        )
    shards = sum(len(source.headers) for source in (*data.sources, *data.val_sources))
    with asked_for():
        return prepare(parts, data, device_of(config)), shards


if __name__ == "__main__":
    sys.exit(main())
