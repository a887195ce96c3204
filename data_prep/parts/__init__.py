"""The recipe of the tiny parts: small networks, trained on the microworld, in the formats of the full ones."""

import os
from pathlib import Path

PARTS = Path(__file__).parents[2] / "anyany" / "parts"  # where finished parts ship
WORK = Path(os.environ.get("ANYANY_CACHE", "cache")) / "parts"  # pools, untrained parts and states of trainings
