"""How the turns of a conversation are written for an LLM, as data: each LLM names the template it was trained with."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Template:
    """What stands around the turns. ``after["assistant"]`` is what the LLM learns to end its turn with.

    ``tokens`` are control tokens that the tokenizer must know as single ids (they are added where it does not).
    """

    name: str
    before: dict[str, str]
    after: dict[str, str]
    start: str = ""
    default_system: str | None = None
    tokens: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        assert self.after["assistant"], f"template {self.name}: without an end, the LLM never learns to stop"


_VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)

TEMPLATES = {
    template.name: template
    for template in (
        Template(
            "tiny",
            before={"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"},
            after={"system": "", "user": "", "assistant": "<|end|>"},
            tokens=("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        ),
        Template(
            "chatml",
            before={role: f"<|im_start|>{role}\n" for role in ("system", "user", "assistant")},
            after=dict.fromkeys(("system", "user", "assistant"), "<|im_end|>\n"),
            tokens=("<|im_start|>", "<|im_end|>"),
        ),
        Template(
            "vicuna_v1",
            before={"system": "", "user": " USER: ", "assistant": " ASSISTANT: "},
            after={"system": "", "user": "", "assistant": "</s>"},
            start="<s>",
            default_system=_VICUNA_SYSTEM,
            tokens=("<s>", "</s>"),
        ),
        Template(
            "nextgpt_legacy",
            before={"system": "", "user": "### Human: ", "assistant": "### Assistant: "},
            after={"system": "\n", "user": "\n", "assistant": "\n###"},
            start="<s>",
            tokens=("<s>",),
        ),
    )
}
