"""Trains the tiny parts that ship with the project, one after another, each taken up where it was stopped.

python -m data_prep.parts                     # all of them
python -m data_prep.parts --part llama        # one
"""

import argparse
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

from anyany.surroundings import settle
from data_prep import bounds
from data_prep.parts import PARTS, WORK

NAMES = ("llama", "imagebind", "stable_diffusion", "zeroscope", "audioldm")


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    settle()
    import torch

    from anyany.faults import UserError
    from anyany.models.precision import is_bf16
    from data_prep.parts.cards import write_card
    from data_prep.parts.job import Job

    if args.threads:
        torch.set_num_threads(args.threads)
    bf16 = is_bf16(args.precision, args.device)
    job = Job(args.out, args.work, torch.device(args.device), args.workers, bf16)
    try:
        for name in args.part or NAMES:
            part = import_module(f"data_prep.parts.{name}")
            seconds = part.train(job)
            figures = part.measure(job.out / name)
            write_card(job.out / name, part.__doc__ or "", part.RECIPE, seconds, figures, machine(args.device))
            if name in bounds.NAMES:
                bounds.renew(name, job.out)
            say(f"{job.out / name}: " + "; ".join(f"{key} {figure}" for key, figure in figures.items()))
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here")
        return 130
    except UserError as error:
        sys.exit(str(error))
    say("next: python -m data_prep.gallery")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.parts", description=(__doc__ or "").split("\n\n")[0], allow_abbrev=False
    )
    parser.add_argument("--part", choices=NAMES, action="append", help="one part; may be given again (all)")
    parser.add_argument("--out", type=Path, default=PARTS, help="folder of the finished parts")
    parser.add_argument("--work", type=Path, default=WORK, help=f"pools and states ({WORK})")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (cpu)")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="auto: bf16 where fast")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU (as many as torch takes)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that fill pools")
    return parser.parse_args(arguments)


def machine(device: str) -> str:
    """What a training's time is measured on."""
    import torch

    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} CPU thread(s) ({platform.machine()}), torch {torch.__version__}"


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
