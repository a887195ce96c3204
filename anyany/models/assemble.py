"""Names and numbers to parts joined into a model. Each named part is built once; widths are read, not given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anyany.media.table import Preprocess
from anyany.messages.vocabulary import RowTokens, TokenLayout, Vocabulary
from anyany.models.anyany import AnyToAny
from anyany.models.contracts import LLM, Connection, Encoder, InputProjector

Make = Callable[..., Any]  # (kind, name, **widths) -> the part


@dataclass(frozen=True)
class RowSpec:
    """A row of the table: one modality and its parts by name. A side that is None is not there."""

    placeholder: str | None
    encoder: str | None
    input_projector: str | None
    connection: str | None
    num_signal_tokens: int = 0


@dataclass(frozen=True)
class Assembled:
    """A model, the vocabulary that it is fed with, and what data workers do to media before it."""

    model: AnyToAny
    vocabulary: Vocabulary
    preprocess: dict[str, Preprocess]


def assemble(rows: Mapping[str, RowSpec], make: Make) -> Assembled:
    """Builds every part that the rows name and the LLM, and joins them.

    Raises:
        ValueError: where parts do not fit together; names the row, the parts and their numbers.
    """
    llm: LLM = make("llm")
    sides = {name: side for name, row in rows.items() if (side := _input_side(name, row)) is not None}
    encoders: dict[str, Encoder] = {}
    projectors: dict[str, InputProjector] = {}
    for name, (encoder, projector) in sides.items():
        if encoder not in encoders:
            encoders[encoder] = make("encoder", encoder)
        _check_reads(name, encoder, encoders[encoder])
        if projector not in projectors:
            dims = {"input_dim": encoders[encoder].dim, "llm_dim": llm.dim}
            projectors[projector] = make("input_projector", projector, **dims)
    _check_shared(sides, encoders)
    layouts = {name: _layout(name, row, make) for name, row in rows.items()}
    num_rows = {n: projectors[p].num_rows(encoders[e].num_features(n)) for n, (e, p) in sides.items()}
    tokens = {
        name: RowTokens(row.placeholder if name in sides else None, num_rows.get(name, 0), layouts[name])
        for name, row in rows.items()
    }
    vocabulary = Vocabulary(llm.tokenizer_json, llm.template, tokens)
    llm.add_tokens(len(vocabulary))
    preprocess = {name: encoders[encoder].preprocess(name) for name, (encoder, _) in sides.items()}
    return Assembled(AnyToAny(sides, encoders, projectors, llm), vocabulary, preprocess)


def _input_side(name: str, row: RowSpec) -> tuple[str, str] | None:
    """(encoder, input projector), or None where the row reads nothing."""
    if row.encoder is None:
        return None
    if row.placeholder is None or row.input_projector is None:
        missing = "placeholder" if row.placeholder is None else "input_projector"
        raise ValueError(f"rows.{name}: encoder={row.encoder} without {missing}; give one, or encoder=null")
    return row.encoder, row.input_projector


def _check_reads(name: str, encoder_name: str, encoder: Encoder) -> None:
    if name not in encoder.modalities:
        able = ", ".join(encoder.modalities)
        raise ValueError(f"rows.{name}.encoder={encoder_name} reads {able}, not {name}; choose another encoder")


def _check_shared(sides: Mapping[str, tuple[str, str]], encoders: Mapping[str, Encoder]) -> None:
    """Rows that share a projector give it features of one width."""
    first: dict[str, str] = {}
    for name, (encoder, projector) in sides.items():
        other = first.setdefault(projector, name)
        found, wanted = encoders[encoder].dim, encoders[sides[other][0]].dim
        if found != wanted:
            raise ValueError(
                f"rows.{name} and rows.{other} share input_projector={projector}, but their encoders' features are "
                f"{found} and {wanted} wide; name a projector for each"
            )


def _layout(name: str, row: RowSpec, make: Make) -> TokenLayout | None:
    if row.connection is None:
        return None
    connection: Connection = make("connection", row.connection)
    return connection.layout(name, row.num_signal_tokens)
