"""How the golden series of the tiny parts are made: a few more steps of each training, from the weights that ship."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from anyany.models.decoders.audioldm import AudioLDM
from anyany.models.decoders.latent_diffusion import LatentDiffusion
from anyany.models.decoders.stable_diffusion import StableDiffusion
from anyany.models.decoders.zeroscope import ZeroScope
from anyany.models.encoders.imagebind import ImageBind
from data_prep.parts import PARTS, audioldm, imagebind, llama, stable_diffusion, zeroscope
from data_prep.parts.clap import TextRecipe
from data_prep.parts.diffusion import Latents
from data_prep.parts.pools import Pool, pool
from data_prep.parts.training import Recipe, Training
from data_prep.parts.vocoder import VocoderRecipe

FILE = Path(__file__).parent / "parts.json"
STEPS = 3
RECORDS, BATCH = 16, 4
RATE = 0.02  # of the recipe's: at full rate a fresh Adam throws finished weights far off, and rounding with them


def _pool(work: Path, modality: str) -> Pool:
    return pool(work, modality, RECORDS, workers=1)


def _loaded(kind: type[LatentDiffusion], name: str) -> LatentDiffusion:
    decoder = kind(PARTS / name)
    decoder.load()
    return decoder


def _llama(work: Path, name: str) -> Recipe:
    folder = PARTS / "llama"
    model = LlamaForCausalLM.from_pretrained(folder, use_safetensors=True, dtype=torch.float32)
    tokenizer_json = AutoTokenizer.from_pretrained(folder).backend_tokenizer.to_str()
    return llama.recipe(model, tokenizer_json, name, STEPS, rows=2)


def _imagebind(work: Path, name: str) -> Recipe:
    pools = {modality: _pool(work, modality) for modality in imagebind.RECORDS}
    return imagebind.JointRecipe(ImageBind.from_pretrained(PARTS / "imagebind"), pools, name, STEPS, BATCH, RECORDS)


def _vocoder(work: Path) -> Recipe:
    return VocoderRecipe("audioldm/vocoder", _loaded(AudioLDM, "audioldm"), STEPS, BATCH)  # type: ignore[arg-type]


def _clap(work: Path) -> Recipe:
    decoder: AudioLDM = _loaded(AudioLDM, "audioldm")  # type: ignore[assignment]
    torch.manual_seed(0)  # from nothing: a trained one has no loss left that a tolerance could tell from another
    decoder.text_encoder = type(decoder.text_encoder)(decoder.text_encoder.config)
    return TextRecipe("audioldm/clap", decoder, STEPS, BATCH)


def _clips(work: Path, name: str) -> Recipe:
    decoder: ZeroScope = _loaded(ZeroScope, "zeroscope")  # type: ignore[assignment]
    pool = _pool(work, "video")
    latents = Latents(*zeroscope.encode_clips(decoder, pool), pool.scenes)
    return zeroscope.denoiser_recipe(decoder, latents, name, STEPS, BATCH)


def _sounds(work: Path) -> Recipe:
    decoder: AudioLDM = _loaded(AudioLDM, "audioldm")  # type: ignore[assignment]
    return audioldm.denoiser_recipe(decoder, audioldm.heard(decoder, _pool(work, "audio")), STEPS, BATCH)


SERIES: dict[str, Callable[[Path], Recipe]] = {
    **{f"llama/{name}": partial(_llama, name=name) for name in llama.STEPS},
    **{f"imagebind/{name}": partial(_imagebind, name=name) for name in imagebind.STEPS},
    **{f"zeroscope/{name}": partial(_clips, name=name) for name in zeroscope.STEPS},
    "audioldm/unet": _sounds,
    "audioldm/vocoder": _vocoder,
    "audioldm/clap": _clap,
}
for kind, part, told, make in (
    (StableDiffusion, stable_diffusion, "vae", stable_diffusion.autoencoder_recipe),
    (StableDiffusion, stable_diffusion, "unet", stable_diffusion.denoiser_recipe),
    (ZeroScope, zeroscope, "vae", zeroscope.autoencoder_recipe),
    (AudioLDM, audioldm, "vae", audioldm.autoencoder_recipe),
):
    SERIES[f"{part.NAME}/{told}"] = lambda work, kind=kind, name=part.NAME, make=make: make(
        _loaded(kind, name), _pool(work, kind.modality), STEPS, BATCH
    )


def shipped() -> list[str]:
    """The trainings of the parts that are there."""
    return [name for name in SERIES if (PARTS / name.partition("/")[0]).is_dir()]


def losses(name: str, work: Path) -> list[float]:
    """The loss of each step, in fp32 on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in another order give other last digits
    try:
        recipe = SERIES[name](work)
        recipe.learning_rate *= RATE
        training = Training(recipe, work, torch.device("cpu"))
        return [sum(training.one_step().values()) for _ in range(STEPS)]
    finally:
        torch.set_num_threads(threads)


def read() -> dict[str, list[float]]:
    return json.loads(FILE.read_text())


def write(series: dict[str, list[float]]) -> None:
    lines = (
        f"  {json.dumps(name)}: {json.dumps([round(loss, 6) for loss in found])}" for name, found in series.items()
    )
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
