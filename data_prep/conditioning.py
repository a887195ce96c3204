"""Computes what decoders' own text encoders give for the captions that a stage reads, ahead of training, by shard.

python -m data_prep.conditioning stage=dec_align source=[cc3m] rows.image.decoder=stable_diffusion \\
    rows.image.output_projector=transformer

The words are those of train.py, which does the same itself for what is missing when it starts. Shards that are done are
kept, so it can be stopped and started again; several machines that share paths.cache share the work.
"""

import logging
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anyany.faults import UserError
from anyany.surroundings import settle

if TYPE_CHECKING:
    from anyany.training.features import Filled


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & set(given):
        sys.stdout.write(__doc__ or "")
        return 0
    settle()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        computed, kept = compute(given)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"of the shards that the stage reads, {computed} computed now, {kept} kept\n")
    sys.stdout.write(f"next: python train.py {shlex.join(given)}\n")
    return 0


def compute(overrides: Sequence[str]) -> "Filled":
    """Shards, those of validation too.

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
    with asked_for():
        return prepare(parts, data, device_of(config))["conditioning"]


if __name__ == "__main__":
    sys.exit(main())
