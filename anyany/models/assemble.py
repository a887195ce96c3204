"""Names and numbers to parts joined into a model. Each named part is built once; widths are read, not given.

Building needs numbers alone. What does not fit together is refused before a byte of weights is read.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anyany.media.table import Preprocess
from anyany.messages.vocabulary import RowTokens, TokenLayout, Vocabulary
from anyany.models.anyany import AnyToAny
from anyany.models.contracts import (
    LLM,
    Conditioner,
    ConditioningSpec,
    Connection,
    Decoder,
    Encoder,
    InputProjector,
    OutputProjector,
)

Make = Callable[..., Any]  # (kind, name, **widths) -> the part
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RowSpec:
    """A row of the table: one modality and its parts by name. A side that is None is not there.

    ``conditioning`` stands in place of a decoder: the conditioning of captions is known, nothing is drawn.
    """

    placeholder: str | None
    encoder: str | None
    input_projector: str | None
    connection: str | None
    num_signal_tokens: int = 0
    output_projector: str | None = None
    decoder: str | None = None
    conditioning: Conditioner | None = None
    share_input_projector: bool = False  # with the other rows that name the same one and share it


@dataclass(frozen=True)
class Assembled:
    """Parts that fit together, the vocabulary that they are fed with, and what data workers do to media before them."""

    inputs: dict[str, tuple[str, str]]  # modality -> keys of encoder and input projector
    encoders: dict[str, Encoder]
    input_projectors: dict[str, InputProjector]
    llm: LLM
    output_projectors: dict[str, OutputProjector]  # by modality: each has its own decoder's conditioning
    decoders: dict[str, Decoder]  # by modality
    conditioners: dict[str, Conditioner]  # by modality: the decoders, and what stands in place of one
    vocabulary: Vocabulary
    preprocess: dict[str, Preprocess]

    def model(
        self,
        reads: bool = True,
        writes: bool = True,
        encoded: bool = False,
        temperature: float = 1.0,
        keeps: bool = False,
        noise: float = 0.0,
    ) -> AnyToAny:
        """The parts with their weights, without those of a side that is not needed. Decoders stay apart.

        Args:
            encoded: media come as features, so encoders are not needed either.
            temperature, keeps, noise: of training, see AnyToAny.
        """
        if keeps and self.llm.digest() is None:
            raise ValueError(
                "nothing of the LLM is frozen, so there is nothing to keep; give stage.loss_weights.keep=0"
            )
        inputs = self.inputs if reads else {}
        encoders = {name: self.encoders[name] for name, _ in inputs.values() if not encoded}
        projectors = {name: self.input_projectors[name] for _, name in inputs.values()}
        outputs = {name: len(self._layout(name).signals) for name in self.output_projectors} if writes else {}
        for encoder in encoders.values():
            encoder.load()
        self.llm.load()
        output_projectors = {name: self.output_projectors[name] for name in outputs}
        return AnyToAny(inputs, outputs, encoders, projectors, self.llm, output_projectors, temperature, keeps, noise)

    def _layout(self, name: str) -> TokenLayout:
        layout = self.vocabulary.rows[name].layout
        assert layout is not None
        return layout


def assemble(rows: Mapping[str, RowSpec], make: Make) -> Assembled:
    """Builds every part that the rows name and the LLM, without weights.

    Raises:
        ValueError: where parts do not fit together; names the row, the parts and their numbers.
    """
    llm: LLM = make("llm")
    inputs = {name: side for name, row in rows.items() if (side := _input_side(name, row)) is not None}
    encoders, projectors = _input_parts(inputs, rows, llm.dim, make)
    layouts = {name: _layout(name, row, make) for name, row in rows.items()}
    decoders = {name: _decoder(name, row.decoder, make) for name, row in rows.items() if row.decoder is not None}
    tables = {name: row.conditioning for name, row in rows.items() if row.conditioning is not None}
    if both := sorted(tables.keys() & decoders.keys()):
        raise ValueError(f"rows.{both[0]}: decoder={rows[both[0]].decoder} and a conditioning; give one of them")
    conditioners: dict[str, Conditioner] = {**decoders, **tables}
    output_projectors = {}
    for name, row in rows.items():
        spec = conditioners[name].spec if name in conditioners else None
        if (projector := _output_projector(name, row, layouts[name], spec, llm.dim, make)) is not None:
            output_projectors[name] = projector
    num_rows = {n: projectors[p].num_rows(encoders[e].num_features(n)) for n, (e, p) in inputs.items()}
    tokens = {
        name: RowTokens(row.placeholder if name in inputs else None, num_rows.get(name, 0), layouts[name])
        for name, row in rows.items()
    }
    vocabulary = Vocabulary(llm.tokenizer_json, llm.template, tokens)
    llm.add_tokens(len(vocabulary))
    preprocess = {name: encoders[encoder].preprocess(name) for name, (encoder, _) in inputs.items()}
    return Assembled(
        inputs, encoders, projectors, llm, output_projectors, decoders, conditioners, vocabulary, preprocess
    )


def _input_parts(
    inputs: Mapping[str, tuple[str, str]], rows: Mapping[str, RowSpec], llm_dim: int, make: Make
) -> tuple[dict[str, Encoder], dict[str, InputProjector]]:
    encoders: dict[str, Encoder] = {}
    projectors: dict[str, InputProjector] = {}
    for name, (encoder, projector) in inputs.items():
        if encoder not in encoders:
            encoders[encoder] = make("encoder", encoder)
        _check_reads(name, encoder, encoders[encoder])
        if projector not in projectors:
            dims = {"input_dim": encoders[encoder].dim, "llm_dim": llm_dim}
            projectors[projector] = make("input_projector", rows[name].input_projector, **dims)
    _check_shared(inputs, encoders)
    return encoders, projectors


def _input_side(name: str, row: RowSpec) -> tuple[str, str] | None:
    """Keys of encoder and input projector, the latter the row's own unless shared; None where it reads nothing."""
    if row.encoder is None:
        return None
    if row.placeholder is None or row.input_projector is None:
        missing = "placeholder" if row.placeholder is None else "input_projector"
        raise ValueError(f"rows.{name}: encoder={row.encoder} without {missing}; give one, or encoder=null")
    return row.encoder, row.input_projector if row.share_input_projector else name


def _check_reads(name: str, encoder_name: str, encoder: Encoder) -> None:
    if name not in encoder.modalities:
        able = ", ".join(encoder.modalities)
        raise ValueError(f"rows.{name}.encoder={encoder_name} reads {able}, not {name}; choose another encoder")


def _check_shared(inputs: Mapping[str, tuple[str, str]], encoders: Mapping[str, Encoder]) -> None:
    """Rows that share a projector give it features of one width."""
    first: dict[str, str] = {}
    for name, (encoder, projector) in inputs.items():
        other = first.setdefault(projector, name)
        found, wanted = encoders[encoder].dim, encoders[inputs[other][0]].dim
        if found != wanted:
            raise ValueError(
                f"rows.{name} and rows.{other} share input_projector={projector}, but their encoders' features are "
                f"{found} and {wanted} wide; give one of them share_input_projector=false"
            )


def _layout(name: str, row: RowSpec, make: Make) -> TokenLayout | None:
    if row.connection is None:
        return None
    connection: Connection = make("connection", row.connection)
    return connection.layout(name, row.num_signal_tokens)


def _decoder(name: str, decoder_name: str, make: Make) -> Decoder:
    decoder: Decoder = make("decoder", decoder_name)
    if decoder.modality != name:
        raise ValueError(f"rows.{name}.decoder={decoder_name} makes {decoder.modality}; choose a decoder of {name}")
    return decoder


def _output_projector(
    name: str, row: RowSpec, layout: TokenLayout | None, spec: ConditioningSpec | None, llm_dim: int, make: Make
) -> OutputProjector | None:
    """From the states of signal tokens to what the decoder consumes; None where no states are to be read."""
    if layout is None or not layout.signals:
        if row.output_projector is not None:
            log.info("rows.%s: connection=%s reads no states: no output projector is built", name, row.connection)
        return None
    if row.output_projector is None:
        if spec is not None:
            consumer = f"decoder={row.decoder}" if row.decoder else "a conditioning"
            raise ValueError(f"rows.{name}: {consumer} without output_projector; give one, or connection=text")
        return None
    if spec is None:
        raise ValueError(
            f"rows.{name}: output_projector={row.output_projector} with nothing to project to; give a decoder, or "
            "a conditioning: the file that data_prep.caption_embeddings writes"
        )
    projector: OutputProjector = make("output_projector", row.output_projector, llm_dim=llm_dim, spec=spec)
    return projector
