"""What the decoders conditioned by CLIP share."""

from typing import Any

from diffusers import DPMSolverMultistepScheduler
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH = 64


def text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """An untrained text encoder over all positions of the tokenizer."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def begin_as(encoder: CLIPTextModel, tokenizer: CLIPTokenizer, known: CLIPTextModel, knows: CLIPTokenizer) -> None:
    """Gives a text encoder the weights of a known one, and the embeddings of the pieces and places that both have."""
    weights, vocabulary, known_vocabulary = encoder.state_dict(), tokenizer.get_vocab(), knows.get_vocab()
    shared = sorted(vocabulary.keys() & known_vocabulary.keys())
    for name, given in known.state_dict().items():
        mine = weights[name]
        if "token_embedding" in name:
            mine[[vocabulary[piece] for piece in shared]] = given[[known_vocabulary[piece] for piece in shared]]
        else:  # only places may be more or fewer
            num = min(len(mine), len(given))
            mine[:num] = given[:num]
    encoder.load_state_dict(weights)


def scheduler() -> DPMSolverMultistepScheduler:
    """Stable Diffusion's noise schedule, and few steps to sample with."""
    return DPMSolverMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        steps_offset=1,
    )


def from_pure_noise(scheduler: Any) -> Any:
    """The same schedule with nothing but noise at its last time (Lin et al. 2024, arXiv 2305.08891, section 3.1).

    Stable Diffusion's leaves 7 % of the amplitude there. Over the frames of a clip that is enough to see where things
    go, so a denoiser need not ask the text, and sampling, which begins with pure noise, gets any motion.
    """
    return DPMSolverMultistepScheduler.from_config(scheduler.config, rescale_betas_zero_snr=True)
