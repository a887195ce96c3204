"""``make golden``: writes the series anew, for a change that is meant to alter numerics."""

import sys
import tempfile
from pathlib import Path

from tests.golden import parts_series, series


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        data = series.write_world(Path(folder) / "data")
        series.write({stage: series.losses(stage, data, Path(folder) / "outputs") for stage in series.STAGES})
        parts = parts_series.shipped()
        parts_series.write({name: parts_series.losses(name, Path(folder) / "parts") for name in parts})
    sys.stdout.write(f"{series.FILE}: {series.STEPS} steps of {', '.join(series.STAGES)}\n")
    sys.stdout.write(f"{parts_series.FILE}: {parts_series.STEPS} steps of {', '.join(parts)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
