"""Asks a trained model for something, from the terminal.

python -m anyany.chat run=outputs/default/first "draw three red circles"
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from anyany.faults import Fault, UserError
from anyany.media.table import MEDIA, MediaSpec
from anyany.surroundings import settle

if TYPE_CHECKING:
    from anyany.messages.types import Media
    from anyany.models.emit import Sampling
    from anyany.models.generate import Reply


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    try:
        return answer(args)
    except (UserError, Fault) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def answer(args: argparse.Namespace) -> int:
    settle()
    media, sampling = list(shown(args.shown)), sampling_of(args)
    from anyany.chat.conversation import Chat  # heavy: what cannot be shown is told without it
    from anyany.launch.running import generator_of, warn_of_unended

    warn_of_unended(Path(args.run))
    chat = Chat(generator := generator_of(Path(args.run)), sampling, args.seed)
    reply = chat.ask(args.request, media)
    rates = {name: decoder.rate_hz or 0.0 for name, decoder in generator.decoders.items()}
    for line in told(reply, rates, args.out):
        sys.stdout.write(f"{line}\n")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m anyany.chat", description=(__doc__ or "").split("\n\n")[0], allow_abbrev=False
    )
    parser.add_argument("run", type=_run, metavar="run=FOLDER", help="the folder of a run of train.py")
    parser.add_argument("request", help='what is asked: "draw three red circles"')
    for modality in MEDIA:
        parser.add_argument(
            f"--{modality}", action="append", dest="shown", default=[], metavar="FILE", type=partial(_shown, modality),
            help="shown with the request, in the order given",
        )  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("chat"), help="folder for the media that it makes (chat)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest token (0)")
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--max-tokens", type=int, default=128)
    return parser.parse_args(arguments)


def _run(word: str) -> str:
    name, equals, folder = word.partition("=")
    if name != "run" or not equals or not folder:
        raise argparse.ArgumentTypeError(
            f"found {word!r}; expected run=<folder>, for instance run=outputs/default/first"
        )
    return folder


def _shown(modality: str, path: str) -> tuple[str, str]:
    return modality, path


def shown(paths: Sequence[tuple[str, str]]) -> "Iterator[Media]":
    """What stands beside the request.

    Raises:
        UserError: for a file that is not there, is of another kind or is cut off, before anything heavy is loaded.
    """
    from anyany.messages.types import Media

    for modality, path in paths:
        try:
            data = Path(path).read_bytes()
            MEDIA[modality].decode(data, MediaSpec())
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from error
        except Fault as fault:
            raise UserError(f"{path}: {fault}") from fault
        yield Media(modality, data=data)


def sampling_of(args: argparse.Namespace) -> "Sampling":
    from anyany.models.emit import Sampling

    try:
        return Sampling(args.max_tokens, args.temperature, args.top_p)
    except ValueError as error:
        raise UserError(str(error)) from error


def told(reply: "Reply", rates_hz: Mapping[str, float], out: Path) -> Iterator[str]:
    """The reply part by part; media are written, and the line says where."""
    from anyany.media.written import written
    from anyany.messages.types import Media, Text

    for number, part in enumerate(reply.parts):
        if isinstance(part, Text):
            yield part.text.strip()
        elif isinstance(part, Media):
            assert part.tensor is not None, "a decoder makes tensors"
            path = written(part.modality, part.tensor, rates_hz[part.modality], out, number)
            yield f"{part.modality}: {path}"
        else:
            yield f"{part.modality}: asked for, but the run has no decoder for it"
    if not reply.is_complete:
        yield "(cut off: give more --max-tokens)"


if __name__ == "__main__":
    sys.exit(main())
