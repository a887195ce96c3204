import sys
from types import SimpleNamespace

import pytest
import torch

from anyany.chat import __main__ as command
from anyany.chat.conversation import Chat
from anyany.faults import UserError
from anyany.media.pictures import encode_png
from anyany.media.sounds import encode_wav
from anyany.media.table import MediaFault, MediaSpec
from anyany.media.written import written
from anyany.messages.types import Media, Text, assistant, user
from anyany.models.emit import LIKELIEST
from anyany.models.generate import Reply, Wish

MADE = {
    "image": torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8),
    "video": torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8),
    "audio": torch.rand(8_000) - 0.5,
}
RATES = {"image": None, "video": 4.0, "audio": 16_000}


class Plain:
    """Preprocessing that changes nothing."""

    spec = MediaSpec()

    def __call__(self, decoded):
        return decoded


class Scripted:
    """Gives replies from a list, and remembers what it was asked."""

    def __init__(self, *replies):
        self.preprocess = {"image": Plain()}
        self.decoders = {name: SimpleNamespace(rate_hz=rate) for name, rate in RATES.items()}
        self.replies, self.asked = list(replies), []

    def __call__(self, conversations, values, seeds, sampling):
        self.asked.append((list(conversations[0]), list(values[0]), seeds[0], sampling))
        return [self.replies.pop(0)]


def test_each_request_stands_behind_what_was_said():
    picture = Media("image", tensor=MADE["image"])
    scripted = Scripted(Reply((Text("a ring"),)), Reply((Text("here"), Wish("audio", caption="a beep"))), Reply(()))
    chat = Chat(scripted, seed=5)
    for text, media in (("what is it?", [picture]), ("play it", []), ("again", [])):
        chat.ask(text, media)
    (first, shown, one, sampling), (second, _, two, _), (third, still, three, _) = scripted.asked
    assert sampling == LIKELIEST
    assert [m.role for m in third] == ["user", "assistant", "user", "assistant", "user"]
    assert first == [user(picture, "what is it?")]
    assert second[:2] == [first[0], assistant("a ring")]
    said = third[3].content
    assert (said[0], said[1].modality, said[1].caption) == (Text("here"), "audio", "a beep")
    assert all(torch.equal(values[0], MADE["image"]) for values in (shown, still))
    assert len({one, two, three}) == 3
    again = Scripted(Reply(()))
    Chat(again, seed=5).ask("x")
    assert again.asked[0][2] == one


@pytest.mark.parametrize("medium", [Media("video", tensor=MADE["video"]), Media("image", path="no/such.png")])
def test_what_cannot_be_read_is_refused_and_not_said(medium):
    chat = Chat(Scripted())
    with pytest.raises(UserError, match=r"the model does not read video; it reads image|no/such\.png: No such file"):
        chat.ask("what?", [medium])
    assert chat.messages == []


def test_a_file_that_is_no_picture_is_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(MediaFault, match=r"x\.png: picture of 10 bytes that begins with .* cannot be read as"):
        Chat(Scripted()).ask("what?", [Media("image", path=str(tmp_path / "x.png"))])


@pytest.fixture
def scripted(monkeypatch):
    scripted = Scripted(
        Reply((Text(" Here: "), Media("image", tensor=MADE["image"]), Wish("video")), is_complete=False)
    )
    running = SimpleNamespace(generator_of=lambda run: scripted, warn_of_unended=lambda run: [])
    monkeypatch.setitem(sys.modules, "anyany.launch.running", running)
    return scripted


def test_the_command_tells_what_was_said_and_where_media_are(scripted, tmp_path, capsys):
    picture = tmp_path / "shown.png"
    picture.write_bytes(encode_png(MADE["image"]))
    code = command.main(
        ["run=some/run", "draw", "--image", str(picture), "--out", str(tmp_path / "out"), "--seed", "2"]
    )
    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        "Here:",
        f"image: {tmp_path}/out/1-image.png",
        "video: asked for, but the run has no decoder for it",
        "(cut off: give more --max-tokens)",
    ]
    (messages, values, _, _) = scripted.asked[0]
    assert torch.equal(values[0], MADE["image"])
    assert messages[0].content[1] == Text("draw")


def test_a_fault_is_told_in_one_line(scripted, tmp_path, capsys):
    clip = written("video", MADE["video"], 4.0, tmp_path, 0)
    assert command.main(["run=some/run", "draw", "--video", str(clip)]) == 1
    assert capsys.readouterr().err == "the model does not read video; it reads image\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--image", "no/such.png"], "no/such.png: No such file or directory\n"),
        (["--image", __file__], f"{__file__}: picture of"),
        (["--audio", __file__], f"{__file__}: "),
        (["--temperature", "-1"], "temperature=-1.0, top_p=1.0); give max_tokens >= 1, temperature >= 0"),
        (["--top-p", "0"], "top_p=0.0); give max_tokens"),
    ],
)
def test_what_cannot_be_answered_is_told_before_a_model_is_loaded(words, told, unloadable, capsys):
    assert command.main(["run=some/run", "draw", *words]) == 1
    assert told in capsys.readouterr().err


@pytest.fixture
def unloadable(monkeypatch):
    """Whatever needs a model cannot be imported."""
    for heavy in ("anyany.chat.conversation", "anyany.launch.running"):
        monkeypatch.setitem(sys.modules, heavy, None)


def test_of_several_files_the_one_that_is_cut_off_is_named(unloadable, tmp_path, capsys):
    data = encode_png(MADE["image"])
    for name, share in (("whole", 1.0), ("cut", 0.6)):
        (tmp_path / f"{name}.png").write_bytes(data[: int(share * len(data))])
    words = ["--image", str(tmp_path / "whole.png"), "--image", str(tmp_path / "cut.png")]
    assert command.main(["run=some/run", "draw", *words]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path}/cut.png: ")


def test_media_stand_in_the_order_given(tmp_path):
    (tmp_path / "a.wav").write_bytes(encode_wav(MADE["audio"], 16_000))
    (tmp_path / "b.png").write_bytes(encode_png(MADE["image"]))
    words = ["run=x", "what?", "--audio", str(tmp_path / "a.wav"), "--image", str(tmp_path / "b.png")]
    args = command.parse([*words, "--audio", str(tmp_path / "a.wav")])
    assert [medium.modality for medium in command.shown(args.shown)] == ["audio", "image", "audio"]


@pytest.mark.parametrize("word", ["some/run", "run=", "rnu=x"])
def test_a_run_must_be_named(word, capsys):
    with pytest.raises(SystemExit):
        command.main([word, "draw"])
    assert f"found {word!r}; expected run=<folder>" in capsys.readouterr().err
