"""An entry point that starts its jobs as train.py does, and writes down what each process saw."""

import json
import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from anyany.launch import jobs


@hydra.main(version_base="1.3", config_path=".", config_name="toy")
def main(cfg: DictConfig) -> float | None:
    jobs.check_ranks(os.environ, list(HydraConfig.get().overrides.task))
    if jobs.in_sweep():
        os.environ.update(LOCAL_RANK="0", MASTER_PORT="1", WANDB_RUN_ID="of another job")  # as a job run here would
        return jobs.run_apart(Path(__file__))
    if cfg.size < 0:
        sys.exit(3)
    folder = Path(HydraConfig.get().runtime.output_dir)
    leaks = sorted(set(os.environ) - set(jobs.clean_environment(os.environ)))
    seen = {"pid": os.getpid(), "arguments": sys.argv[1:], "leaks": leaks, "run": cfg.run, "text": cfg.text}
    (folder / "seen.json").write_text(json.dumps(seen))
    return jobs.write_objective({"size": float(cfg.size)}, cfg.objective, folder)


if __name__ == "__main__":
    main()
