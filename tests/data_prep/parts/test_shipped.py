"""The parts as they ship: whole, small, loaded by the classes of the full ones, and as good as their cards say."""

from importlib import import_module
from itertools import product

import pytest
import torch
from diffusers import DiffusionPipeline
from transformers import AutoModelForCausalLM, AutoTokenizer

from anyany.microworld.oracles.captions import text_novel_pairs
from anyany.models.encoders.imagebind import ImageBind
from data_prep.parts import PARTS
from data_prep.parts.__main__ import NAMES
from data_prep.parts.cards import read_figures
from data_prep.shipped import shipped
from tests.data_prep.parts.test_trainings import remembers_a_call

SHIPPED = [name for name in NAMES if (PARTS / name).is_dir()]
DECODERS = [name for name in SHIPPED if (PARTS / name / "model_index.json").is_file()]
MAX_MB = 40
SAMPLE = 40
SOUNDS = {"tone": "tones", "buzz": "buzzes", "hiss": "hisses", "chirp": "chirps"}
# Main figures, each with the level it is taken at and what the card must say at least.
MAIN = {
    "stable_diffusion": {"easy.all_right": 0.90},
    "zeroscope": {"easy.all_right": 0.90},
    "audioldm": {"easy.all_right": 0.90},
    "imagebind": {"standard.image": 0.95, "standard.video": 0.95, "standard.audio": 0.95},
    "llama": {"easy.question": 0.95, "easy.question_of_several": 0.95, "standard.question": 0.95},
}


def test_what_ships_is_small_and_holds_no_pickles(record_property):
    files = [path for path in PARTS.rglob("*") if path.is_file()]
    record_property("found", f"{len(SHIPPED)} shipped parts in {len(files)} files")
    assert SHIPPED
    assert set(SHIPPED) <= MAIN.keys()
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".txt", ".md"}
    assert sum(path.stat().st_size for path in files) < MAX_MB * 1e6
    paths = [path for path in files if path.suffix == ".json" and "_name_or_path" in path.read_text()]
    assert paths == []  # of the machine that it was trained on
    tokenizers = [path for path in files if path.name == "tokenizer.json"]
    record_property("found", f"{len(tokenizers)} tokenizers that ship")
    assert len(tokenizers) == len(SHIPPED)
    assert [path for path in tokenizers if remembers_a_call(path)] == []


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_is_a_pipeline_of_diffusers(name):
    pipeline = DiffusionPipeline.from_pretrained(PARTS / name, use_safetensors=True)
    part = import_module(f"data_prep.parts.{name}")
    pipeline.set_progress_bar_config(disable=True)
    prompt = {"image": "a red circle", "video": "a red circle moving left", "audio": "a high beep"}[part.MODALITY]
    made = pipeline(prompt, num_inference_steps=2, generator=torch.Generator().manual_seed(0), output_type="np")
    assert torch.isfinite(torch.as_tensor(made[0])).all()


def test_the_llm_is_a_causal_lm_of_transformers():
    tokenizer = AutoTokenizer.from_pretrained(PARTS / "llama")
    model = AutoModelForCausalLM.from_pretrained(PARTS / "llama", use_safetensors=True, dtype=torch.float32)
    prompt = tokenizer("<|user|>What comes after Monday?<|assistant|>", return_tensors="pt", add_special_tokens=False)
    made = model.generate(**prompt, max_new_tokens=8, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(made, skip_special_tokens=True).strip() == "Tuesday"


def test_the_encoder_loads_in_fp32_and_eval():
    model = ImageBind.from_pretrained(PARTS / "imagebind")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert not model.training
    assert model.caption_ids(["two red circles"]).shape[0] == 1


def test_what_novel_captions_of_sounds_give_is_the_sum_of_what_each_word_gives():
    """A denoiser that never heard two values named together has nothing else to go by."""
    decoder = shipped("audioldm", PARTS / "audioldm")
    told = [
        (number, *pair) for number in ("two", "three") for pair in product(("", *SOUNDS), ("", "low", "medium", "high"))
    ]
    captions = [f"{number} {pitch} {SOUNDS.get(timbre, 'sounds')}".replace("  ", " ") for number, timbre, pitch in told]
    embeddings_ND = decoder.condition(captions).squeeze(1)
    names = ("two", *SOUNDS, "low", "medium", "high")
    says_NV = torch.tensor([[1.0, *(float(name in one) for name in names)] for one in told])
    is_novel_N = torch.tensor([bool(text_novel_pairs(caption)) for caption in captions])
    assert is_novel_N.sum() == 2 * 3
    vectors_VD = torch.linalg.lstsq(says_NV[~is_novel_N], embeddings_ND[~is_novel_N]).solution
    beside = (says_NV @ vectors_VD - embeddings_ND)[is_novel_N].square().sum(1).mean()
    assert beside < 0.01 * (embeddings_ND - embeddings_ND.mean(0)).square().sum(1).mean()


@pytest.mark.parametrize(("name", "figure"), [(name, figure) for name in SHIPPED for figure in MAIN[name]])
def test_a_card_says_what_is_wanted(name, figure):
    assert read_figures(PARTS / name)[figure].value >= MAIN[name][figure]


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_a_part_is_as_good_as_its_card_says(name):
    """On the first items of the card's own: the intervals of both must meet."""
    card, part = read_figures(PARTS / name), import_module(f"data_prep.parts.{name}")
    levels = sorted({figure.partition(".")[0] for figure in MAIN[name]})
    measured = part.measure(PARTS / name, levels, SAMPLE)
    for figure in MAIN[name]:
        assert measured[figure].n <= SAMPLE < card[figure].n
        assert measured[figure].high >= card[figure].low, f"{figure}: {measured[figure]}, on the card {card[figure]}"


def test_there_is_a_state_in_which_the_llm_would_say_each_piece(record_property):
    """Else no training on other texts could bring it to say them; 0.77 of pieces where unseen ones are one vector."""
    rows_VD = AutoModelForCausalLM.from_pretrained(PARTS / "llama", dtype=torch.float32).lm_head.weight.detach()
    states_VD = rows_VD - rows_VD.mean(0)
    likeliest_V = (states_VD @ rows_VD.T).argmax(1)
    share = (likeliest_V == torch.arange(len(rows_VD))).float().mean().item()
    record_property(
        "found", f"of {len(rows_VD)} pieces of the tiny Llama {share:.4f} are the likeliest along their own row"
    )
    assert share > 0.99
