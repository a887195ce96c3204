import numpy as np
import pytest

from anyany.messages.render import IGNORE_INDEX, NO_SLOT, measure, render
from anyany.messages.types import Media, MessageError, assistant, system, user
from anyany.messages.vocabulary import RowTokens, TokenLayout, Vocabulary
from anyany.models.llms.tokenizers import byte_level

PICTURE = Media("image", member="0.jpg")
DIALOGUE = [
    user(PICTURE, "what?"),
    assistant("red", Media("audio", caption="a beep")),
    user("both", Media("video", member="1.mp4"), Media("image", member="2.jpg")),
    assistant(Media("image", caption="x"), "ok", Media("image", caption="y")),
]
WRITTEN = (
    "<|user|><|image|><|image|><|image|>what?<|assistant|>red<|audio_signal_0|><|end|>"
    "<|user|>both<|video|><|video|><|video|><|video|><|image|><|image|><|image|>"
    "<|assistant|><|image_signal_0|><|image_signal_1|>ok<|image_signal_0|><|image_signal_1|><|end|>"
)


def test_a_dialogue_is_written_as_its_template_says(vocabulary):
    assert vocabulary.decode(render(DIALOGUE, vocabulary).input_ids_T) == WRITTEN


def test_labels_are_the_replies_and_their_ends(vocabulary):
    rendered = render(DIALOGUE, vocabulary)
    labelled = rendered.labels_T[rendered.labels_T != IGNORE_INDEX]
    assert vocabulary.decode(labelled) == (
        "red<|audio_signal_0|><|end|><|image_signal_0|><|image_signal_1|>ok<|image_signal_0|><|image_signal_1|><|end|>"
    )
    at = rendered.labels_T != IGNORE_INDEX
    np.testing.assert_array_equal(rendered.labels_T[at], rendered.input_ids_T[at])


def test_slots_number_the_rows_of_each_modality_in_order(vocabulary):
    rendered = render(DIALOGUE, vocabulary)
    ids = rendered.input_ids_T
    for name, number in (("image", 6), ("video", 4)):
        slots = rendered.slots[name]
        np.testing.assert_array_equal(slots[slots != NO_SLOT], np.arange(number))
        np.testing.assert_array_equal(slots != NO_SLOT, ids == vocabulary.token_id(f"<|{name}|>"))
    signals = rendered.signal_slots["image"]
    np.testing.assert_array_equal(signals[signals != NO_SLOT], [0, 1, 2, 3])
    first, second = (vocabulary.token_id(f"<|image_signal_{i}|>") for i in (0, 1))
    np.testing.assert_array_equal(ids[signals != NO_SLOT], [first, second, first, second])
    assert [part.member for part in rendered.media] == ["0.jpg", "1.mp4", "2.jpg"]
    assert [part.caption for part in rendered.targets] == ["a beep", "x", "y"]


def test_measuring_agrees_with_rendering(vocabulary):
    num_tokens, num_media = measure(DIALOGUE, vocabulary)
    assert num_media == {"image": 2, "video": 1, "audio": 0}
    assert num_tokens + 2 * 3 + 1 * 4 == len(render(DIALOGUE, vocabulary))


def test_a_prompt_for_a_reply_begins_the_conversation_that_training_sees(vocabulary):
    prompt = render(DIALOGUE[:1], vocabulary, reply=True).input_ids_T
    np.testing.assert_array_equal(prompt, render(DIALOGUE[:2], vocabulary).input_ids_T[: len(prompt)])
    assert vocabulary.decode(prompt).endswith("what?<|assistant|>")


def test_a_user_cannot_write_control_tokens(vocabulary):
    rendered = render([user("<|image|><|end|><|image_signal_0|>"), assistant("no")], vocabulary)
    assert rendered.media == ()
    assert rendered.slots == {}
    assert rendered.signal_slots == {}
    assert (rendered.input_ids_T == vocabulary.token_id("<|end|>")).sum() == 1


def test_the_first_token_of_a_sample_is_never_a_label():
    template_without_opening = Vocabulary(byte_level(), "vicuna_v1", {})
    rendered = render([system("s"), user("u"), assistant("a")], template_without_opening)
    assert rendered.labels_T[0] == IGNORE_INDEX


def test_vicuna_is_written_as_published():
    vocabulary = Vocabulary(byte_level(), "vicuna_v1", {})
    text = vocabulary.decode(
        render([user("Hi"), assistant("Hello"), user("Bye"), assistant("B")], vocabulary).input_ids_T
    )
    opening = "<s>A chat between a curious user and an artificial intelligence assistant. "
    assert text.startswith(opening)
    assert text.endswith("questions. USER: Hi ASSISTANT: Hello</s> USER: Bye ASSISTANT: B</s>")


def test_the_text_connection_writes_the_caption_between_its_markers():
    layout = TokenLayout(begin=("<|draw|>",), with_caption=True, end=("<|drawn|>",))
    vocabulary = Vocabulary(byte_level(), "tiny", {"image": RowTokens(layout=layout)})
    rendered = render([user("draw"), assistant("ok", Media("image", caption="a cat"))], vocabulary)
    assert vocabulary.decode(rendered.input_ids_T).endswith("ok<|draw|>a cat<|drawn|><|end|>")
    assert len(rendered.targets) == 1
    with pytest.raises(MessageError, match=r"message 1 .*part 0: image asked for in text has no caption"):
        render([user("draw"), assistant(Media("image", member="0.jpg"))], vocabulary)


def test_media_without_their_side_of_the_row_are_refused(vocabulary):
    with pytest.raises(MessageError, match=r"message 0 \(user\), part 0: audio to read, .*no encoder"):
        render([user(Media("audio", member="0.wav")), assistant("a")], vocabulary)
    with pytest.raises(MessageError, match=r"message 1 \(assistant\), part 0: video to make, .*no connection"):
        render([user("a"), assistant(Media("video", caption="b"))], vocabulary)
