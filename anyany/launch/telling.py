"""What a run is made of, told before its first step."""

from collections.abc import Iterator
from io import StringIO

from rich.console import Console
from rich.table import Table
from torch import nn

from anyany.data.sources import Source
from anyany.models.anyany import AnyToAny
from anyany.models.assemble import Assembled

WIDTH = 120  # characters


def told(model: AnyToAny, parts: Assembled, sources: list[Source]) -> str:
    """Every source, row and part with the sizes that were derived, as tables."""
    console = Console(file=StringIO(), width=WIDTH)
    for table in (sources_table(sources), rows_table(parts), parts_table(model, parts)):
        console.print(table)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def sources_table(sources: list[Source]) -> Table:
    table = _table("source", "records", "shards", "weight")
    for source in sources:
        weight = "" if source.weight is None else f"{source.weight:g}"
        table.add_row(source.name, f"{source.num_records:,}", f"{len(source.headers):,}", weight)
    return table


def rows_table(parts: Assembled) -> Table:
    table = _table("row", "rows of the LLM", "signal tokens", "conditioning")
    for name, row in parts.vocabulary.rows.items():
        spec = parts.conditioners[name].spec if name in parts.conditioners else None
        signals = len(row.layout.signals) if row.layout else 0
        table.add_row(name, str(row.num_rows), str(signals), f"{spec.length} x {spec.dim}" if spec else "")
    return table


def parts_table(model: AnyToAny, parts: Assembled) -> Table:
    """Each part of the model, with what of it trains. Encoders that it does without, and decoders, stand apart."""
    table = _table("part", "parameters", "trainable", "dtype", "from")
    for name, part in _parts(model):
        table.add_row(name, *_counts(part), getattr(part, "origin", ""))
    for name, encoder in parts.encoders.items():
        if name not in model.encoders:
            table.add_row(f"encoder {name}", *_counts(encoder), encoder.origin)
    for name, decoder in parts.decoders.items():
        table.add_row(f"decoder of {name}", *_counts(decoder), decoder.origin)
    table.add_row("all of the model", *_counts(model), "")
    return table


def _parts(model: AnyToAny) -> Iterator[tuple[str, nn.Module]]:
    for kind, child in model.named_children():
        if isinstance(child, nn.ModuleDict):
            yield from ((f"{kind}.{name}", part) for name, part in child.items())
        else:
            yield kind, child


def _counts(part: nn.Module) -> tuple[str, str, str]:
    """Parameters, those that train, and their types; a part that is not loaded has them too, on the meta device."""
    parameters = list(part.parameters())
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    dtypes = sorted({str(parameter.dtype).removeprefix("torch.") for parameter in parameters})
    return f"{sum(parameter.numel() for parameter in parameters):,}", f"{trainable:,}", ", ".join(dtypes)


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    return table
