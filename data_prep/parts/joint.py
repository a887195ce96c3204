"""How the tiny ImageBind learns: contrasts of media and captions, attributes read, and media that are told by half.

Shape letters: N items, D width of an embedding, T kinds of captions, S samples of a sound.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anyany.microworld.captions import unsaid
from anyany.microworld.questions import VALUES
from anyany.microworld.scenes import SCENES, Scene, Sound
from anyany.models.encoders.imagebind import ImageBind
from anyany.models.encoders.imagebind.sampling import BRANCH_OF
from anyany.ops.contrastive import contrastive_loss
from anyany.seeds import rng_of
from data_prep.parts.any_sounds import played
from data_prep.parts.between import unpitched, untimbred
from data_prep.parts.pools import INT16_MAX, Pool
from data_prep.parts.readers import Readers
from data_prep.parts.training import Draw, Recipe
from data_prep.parts.turned import half_backwards, turned
from data_prep.parts.variants import changed, fits, otherwise, vague
from data_prep.parts.words import say

NEARLY = 3  # captions of each item that are wrong in one attribute
SPEED_OCTAVES = 0.4  # by which a sound is played faster; pitches lie 1.3 apart. Slower ones would lose their end
ALL = ("vision", "audio", "text")
BRANCHES = {"model": ALL, "hearing": ("audio",), "reading": ALL, "watching": ALL}  # what trains
NUM_BETWEEN = 6000  # sounds of each kind
BETWEEN = {"timbre": unpitched, "pitch": untimbred}  # by what is told of them
UNTOLD = {"image": ("color",), "video": ("color", "motion", "speed")}  # of media whose shapes are told by themselves


class JointRecipe(Recipe):
    """Symmetric InfoNCE of each modality against captions, and media against captions that are nearly right.

    Captions that leave attributes unsaid come as a second set: an encoder that knows whole captions alone learns which
    attributes stand together, and takes a middle hiss, which it has never heard, for a high one.
    """

    def __init__(
        self,
        model: ImageBind,
        pools: Mapping[str, Pool],
        name: str,
        steps: int,
        batch: int = 32,
        num_between: int = NUM_BETWEEN,
    ):
        self.name, self.model = f"imagebind/{name}", model
        reads = name in ("reading", "watching")
        self.readers = Readers(model.dim, tuple(VALUES)) if reads else None
        self.module = model if self.readers is None else nn.ModuleList([model, self.readers])
        self.pools = {modality: pool for modality, pool in pools.items() if BRANCH_OF[modality] in BRANCHES[name]}
        for branch, part in model.named_children():
            part.requires_grad_(branch in BRANCHES[name])
        self.steps, self.batch, self.learning_rate = steps, batch, 1e-3
        self.by_shape = tuple(UNTOLD) if name == "watching" else ()
        self.between = {told: self._between(told, num_between) for told in BETWEEN if name != "model"}
        self.identity = f"{steps} steps of {batch} of each modality, with vague captions and {NEARLY} nearly right ones"
        if self.between:
            self.identity += f", {num_between} sounds of each kind told by half"
        if self.readers is not None:
            self.identity += ", attributes read linearly"
        if self.by_shape:
            self.identity += ", shapes in all colors and motions"

    def loss(self, draw: Draw) -> dict[str, Tensor]:
        terms = {}
        for modality, items in self.pools.items():
            media, scenes = items.draw(draw.rng, self.batch)
            if modality == "audio":
                media = hurried(media, draw)
            values = prepared(self.model, modality, media).to(draw.device)
            media_ND = self.model.embed(values, modality, scaled=False)
            vaguer = [vague(scene, draw.rng) for scene in scenes]
            told = [scenes, vaguer, *([changed(scene, draw.rng) for scene in scenes] for _ in range(NEARLY))]
            ids = self.model.caption_ids([say(scene, draw.rng) for group in told for scene in group])
            texts = self.model.embed(ids.to(draw.device), "text")  # scaled by the learned temperature
            terms[modality] = self._terms(media_ND, texts.unflatten(0, (len(told), -1)), scenes, vaguer)
            if self.readers is not None:
                said = [scene for group in told for scene in group]
                read = self.readers(media_ND, scenes) + self.readers(F.normalize(texts, dim=-1), said)
                terms[f"{modality} read"] = read / 2
        terms |= {f"{told} alone": self._alone(told, draw) for told in self.between}
        return terms | {f"{modality} by shape": self._by_shape(modality, draw) for modality in self.by_shape}

    def _between(self, told: str, number: int) -> tuple[Tensor, list[Sound]]:
        """Sounds as the encoder takes them, of which nothing but one attribute, number, length and glide is told."""
        sounds, scenes = BETWEEN[told](number, rng_of("parts", self.name, told))
        return prepared(self.model, "audio", sounds).half(), scenes

    def _alone(self, told: str, draw: Draw) -> Tensor:
        """Such sounds against their captions, and against these with another value of what is told."""
        values, all_scenes = self.between[told]
        indices = draw.rng.integers(len(values), size=self.batch).tolist()
        scenes = [all_scenes[index] for index in indices]
        sounds_ND = self.model.embed(values[indices].float().to(draw.device), "audio", scaled=False)
        wrong = [otherwise(scene, told, draw.rng) for scene in scenes]
        ids = self.model.caption_ids([say(scene, draw.rng) for scene in (*scenes, *wrong)])
        own_ND, wrong_ND = self.model.embed(ids.to(draw.device), "text").chunk(2)
        fits_NN = torch.tensor([[fits(one, other) for other in scenes] for one in scenes], device=draw.device)
        total, count = contrastive_loss(sounds_ND, own_ND, fits_NN)
        missed = total / count + F.softplus((sounds_ND * (wrong_ND - own_ND)).sum(-1)).mean()
        return missed if self.readers is None else missed + self.readers(sounds_ND, scenes)

    def _by_shape(self, modality: str, draw: Draw) -> Tensor:
        """What is read from any shape in any color, and from clips in any motion, these not asked for."""
        media, scenes = self.pools[modality].draw(draw.rng, self.batch)
        media = turned(media, draw.rng)
        if modality == "video":
            media = half_backwards(media, draw.rng)
        media_ND = self.model.embed(prepared(self.model, modality, media).to(draw.device), modality, scaled=False)
        scenes = [SCENES[modality]((unsaid(scene.things[0], *UNTOLD[modality]),)) for scene in scenes]
        assert self.readers is not None
        return self.readers(media_ND, scenes)

    def _terms(self, media_ND: Tensor, texts_TND: Tensor, scenes: Sequence[Scene], vaguer: Sequence[Scene]) -> Tensor:
        own_ND, vague_ND, *nearly = texts_TND
        device = media_ND.device
        equal_NN = torch.tensor([[one == other for other in scenes] for one in scenes], device=device)
        fits_NN = torch.tensor([[fits(one, other) for other in vaguer] for one in scenes], device=device)
        total, count = contrastive_loss(media_ND, own_ND, equal_NN)
        vague_total, _ = contrastive_loss(media_ND, vague_ND, fits_NN)
        right_N = (media_ND * own_ND).sum(-1)
        wrong_N = torch.stack([(media_ND * nearly_ND).sum(-1) for nearly_ND in nearly])
        return (total + vague_total) / (2 * count) + F.softplus(wrong_N - right_N).mean()


def hurried(sounds_NS: Tensor, draw: Draw) -> Tensor:
    """Half of them, by so little that no pitch becomes another."""
    played_NS = played(sounds_NS.float(), float(2 ** draw.rng.uniform(0, SPEED_OCTAVES))).to(sounds_NS)
    return torch.where(draw.uniform(len(sounds_NS), 1).to(sounds_NS.device) < 0.5, sounds_NS, played_NS)


def prepared(model: ImageBind, modality: str, media: Tensor) -> Tensor:
    """A pool's media as the encoder's data workers would hand them over."""
    preprocess = model.preprocess(modality)
    if modality == "video":  # decoding gives the frames in the middles of equal parts
        num, num_frames = media.shape[1], preprocess.spec.num_frames
        media = media[:, [(2 * k + 1) * num // (2 * num_frames) for k in range(num_frames)]]
    if modality == "audio":
        media = media.float() / INT16_MAX
    return torch.stack([preprocess(item) for item in media])
