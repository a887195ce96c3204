"""The tokens of a model: the LLM's tokenizer, the template's control tokens, and what the rows of the table add."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from tokenizers import AddedToken, Tokenizer

from anyany.messages.templates import TEMPLATES, Template
from anyany.seeds import digest_of

PAD = "<|pad|>"
_REMEMBERED = 4096  # texts


@dataclass(frozen=True)
class TokenLayout:
    """What an LLM emits to ask for one media item: ``begin``, the caption if ``with_caption``, ``signals``, ``end``."""

    begin: tuple[str, ...] = ()
    with_caption: bool = False
    signals: tuple[str, ...] = ()
    end: tuple[str, ...] = ()

    @property
    def tokens(self) -> tuple[str, ...]:
        return self.begin + self.signals + self.end


@dataclass(frozen=True)
class RowTokens:
    """One modality as rendering sees it.

    ``placeholder`` is the token repeated ``num_rows`` times for each media item that the LLM reads (None: it reads none
    of this modality); ``layout`` is what it emits to ask for one (None: it makes none).
    """

    placeholder: str | None = None
    num_rows: int = 0
    layout: TokenLayout | None = None


class Vocabulary:
    """Text and control tokens to ids and back. Picklable; equal content gives an equal ``digest``.

    What a user writes is always encoded as plain text, also where it spells a control token.
    """

    def __init__(self, tokenizer_json: str, template: Template | str, rows: Mapping[str, RowTokens]):
        if isinstance(template, str):
            if template not in TEMPLATES:
                raise ValueError(f"template {template!r} is unknown; use one of {', '.join(TEMPLATES)}")
            template = TEMPLATES[template]
        self.tokenizer_json = tokenizer_json
        self.template = template
        self.rows = dict(rows)

    @property
    def added_tokens(self) -> list[str]:
        """The tokens that the tokenizer is asked to know, in the order in which missing ones are added."""
        names = [PAD, *self.template.tokens]
        for row in self.rows.values():
            names += [row.placeholder] if row.placeholder else []
            names += row.layout.tokens if row.layout else ()
        return names

    @cached_property
    def _control(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self.tokenizer_json)
        names = self.added_tokens
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"token {twice[0]!r} is used twice; each placeholder and signal needs a name of its own")
        tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
        return tokenizer

    # Prompts, turn marks and short captions come again and again: half of rendering would be encoding them.
    @cached_property
    def _control_ids(self) -> Callable[[str], list[int]]:
        return lru_cache(_REMEMBERED)(lambda text: self._control.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _text_ids(self) -> Callable[[str], list[int]]:
        return lru_cache(_REMEMBERED)(lambda text: self._text.encode(text, add_special_tokens=False).ids)

    @cached_property
    def _text(self) -> Tokenizer:
        tokenizer = Tokenizer.from_str(self._control.to_str())
        tokenizer.encode_special_tokens = True  # of a user's text no piece is a control token
        return tokenizer

    def __getstate__(self) -> dict[str, Any]:
        # Pickling a tokenizer forgets encode_special_tokens without a word, so only what both are made from travels.
        return {key: self.__dict__[key] for key in ("tokenizer_json", "template", "rows")}

    def __len__(self) -> int:
        return self._control.get_vocab_size(with_added_tokens=True)

    @cached_property
    def digest(self) -> str:
        """Changes with everything that decides which ids a conversation is rendered to, ``num_rows`` aside."""
        rows = {name: (row.placeholder, row.layout) for name, row in self.rows.items()}
        return digest_of(self.tokenizer_json, self.template, rows).hex()

    @cached_property
    def pad_id(self) -> int:
        return self.token_id(PAD)

    def token_id(self, token: str) -> int:
        """The id of a control token."""
        found = self._control.token_to_id(token)
        assert found is not None, f"{token!r} is no token of this vocabulary"
        return found

    def text_ids(self, text: str) -> list[int]:
        """Ids of plain text, whatever control tokens it spells."""
        return list(self._text_ids(text))

    def control_ids(self, text: str) -> list[int]:
        """Ids of a template's or layout's own text, in which control tokens count as such."""
        return list(self._control_ids(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Text with its control tokens spelt out."""
        return self._control.decode(list(ids), skip_special_tokens=False)
