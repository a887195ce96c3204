"""Shows the way of one sample of each kind, from its shard to the loss: ``python -m anyany.launch.trace``."""

import logging
import sys
from collections.abc import Sequence

from anyany.faults import UserError
from anyany.surroundings import settle

USAGE = "usage: python -m anyany.launch.trace [what train.py takes, for instance encoder.patch_px=4]"


def main(overrides: Sequence[str]) -> int:
    if {"-h", "--help"} & set(overrides):
        sys.stdout.write(USAGE + "\n")
        return 0
    settle()
    from anyany.launch.way import trace

    try:
        for line in trace(overrides):
            sys.stdout.write(line + "\n")
    except UserError as error:
        sys.exit(str(error))
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    sys.exit(main(sys.argv[1:]))
