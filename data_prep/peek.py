"""Show records of indexed shards, with every turn and every fault: ``python -m data_prep.peek 'shards/*.tar'``.

With ``--sheet`` a picture is written too: pictures as they decode, clips as a grid of frames, sounds as a waveform over
their spectrogram, what is said under each. All media of the records shown are decoded, so that broken ones are told.
"""

import argparse
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from anyany.data.records import RecordReader
from anyany.data.scan import ShardHeader
from anyany.faults import Fault, UserError
from anyany.media.table import MEDIA, MediaSpec
from data_prep.looking.records import Look, Place, attempt, chosen, entries, local_store, look, opened, said
from data_prep.looking.text import make_folder, need, number, say, shown, size_of

TEXT_CHARACTERS = 2_000  # of one turn or caption on the terminal
WIDTH = 110


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        if options.sheet:
            need("matplotlib")
            make_folder(options.sheet.parent)
        headers = opened(options.patterns)
        places = _places(headers, options)
        _show(places, options.sheet)
        say(_ending(headers, len(places), options.sheet))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def told(look: Look) -> Iterator[str]:
    """The lines of one record."""
    yield f"{look.url}, record {look.index}: {shown(look.key, 200)}"
    faults = list(look.faults)
    for name, data in look.members.items():
        header, fault = _judged(look, name)
        faults += [fault] if fault else []
        yield f"  {shown(name, 40):<10} {size_of(len(data)):>9}  {header}".rstrip()
    for fault in faults:
        yield from _turn(f"FAULT {fault.kind}", str(fault))
    if look.caption is not None:
        yield from _turn("caption", look.caption)
    for message in look.messages:
        yield from _turn(message.role, said(message))
    yield ""


def _show(places: Sequence[Place], sheet: Path | None) -> None:
    """Prints the records; a sheet is written before, as whoever reads the text may stop early."""
    reader = RecordReader(local_store())
    looks: Iterable[Look] = (look(reader, place) for place in places)
    if sheet:
        from data_prep.looking.sheets import write_sheet

        looks = list(looks)
        write_sheet(sheet, looks)
    say(line for each in looks for line in told(each))


def _judged(look: Look, name: str) -> tuple[str, Fault | None]:
    """What a medium's header tells, and what is wrong with the medium."""
    if name not in look.media:
        return "", None
    kind, data = MEDIA[look.media[name]], look.members[name]
    decoded, header = attempt(kind.decode, data, MediaSpec()), attempt(kind.probe, data)
    fault = Fault(decoded.kind, f"{name}: {decoded}") if isinstance(decoded, Fault) else None
    if isinstance(header, Fault):
        return "", fault
    return ", ".join(f"{quantity.replace('_', ' ')} {number(value)}" for quantity, value in header.items()), fault


def _turn(head: str, text: str) -> Iterator[str]:
    """The text beside its head, its own line breaks kept."""
    lines = shown(text, TEXT_CHARACTERS).split("\n")
    wrapped = [part for line in lines for part in (textwrap.wrap(line, WIDTH - 13) or [""])]
    yield f"  {head:<10} {wrapped[0]}".rstrip()
    yield from (f"  {'':<10} {line}".rstrip() for line in wrapped[1:])


def _places(headers: Sequence[ShardHeader], options: argparse.Namespace) -> list[Place]:
    if options.key is None:
        from anyany.seeds import rng_of

        return chosen(headers, options.num, None if options.seed is None else rng_of("peek", options.seed))
    like = None
    places = []
    for header in headers:
        for index, (key, _) in enumerate(entries(header)):
            like = like or key
            places += [(header.url, index)] if key == options.key else []
    if not places:
        told = f", whose keys are like {like!r}" if like else ", which are empty"
        raise UserError(f"no record {options.key!r} in {len(headers)} shards{told}")
    return places


def _ending(headers: Sequence[ShardHeader], num_shown: int, sheet: Path | None) -> Iterator[str]:
    total = sum(header.num_records for header in headers)
    yield f"{num_shown} of {total} records in {len(headers)} shards"
    if sheet:
        yield f"written: {sheet}"
    yield "next: python -m data_prep.stats with the same shards counts them all"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.peek", description="Show records of indexed shards.", allow_abbrev=False
    )
    parser.add_argument("patterns", nargs="+", metavar="PATTERN", help="tars: paths, globs or {000..099}, quoted")
    parser.add_argument("--num", type=int, default=8, metavar="N", help="records, the first ones (8)")
    parser.add_argument("--seed", type=int, metavar="N", help="draw the records at random instead, by this seed")
    parser.add_argument("--key", metavar="KEY", help="the record of this key instead")
    parser.add_argument("--sheet", type=Path, metavar="FILE.png", help="write a contact sheet of their media")
    options = parser.parse_args(arguments)
    if options.num < 1:
        parser.error(f"--num is {options.num}, expected at least 1")
    if options.key is not None and options.seed is not None:
        parser.error("--key names one record and --seed draws some: give one of the two")
    if options.sheet and options.sheet.suffix != ".png":
        parser.error(f"--sheet is {options.sheet}, expected a name that ends in .png")
    return options


if __name__ == "__main__":
    sys.exit(main())
