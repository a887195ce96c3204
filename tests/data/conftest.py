from functools import partial
from pathlib import Path

import pytest

from anyany.data import recipes
from anyany.data.records import RecordReader
from anyany.data.samples import SampleReader
from anyany.data.sources import open_source
from anyany.messages.vocabulary import RowTokens, TokenLayout, Vocabulary
from anyany.models.encoders.patches import Patches
from anyany.models.llms.tokenizers import byte_level
from tests.data.shards import local_store
from tests.data.stream_shards import write_stream_shards


@pytest.fixture
def vocabulary() -> Vocabulary:
    layout = TokenLayout(signals=("<|image_signal_0|>",))
    return Vocabulary(byte_level(), "tiny", {"image": RowTokens("<|image|>", 4, layout)})


@pytest.fixture(scope="session")
def stream_shards(tmp_path_factory) -> Path:
    return write_stream_shards(tmp_path_factory.mktemp("stream"))


@pytest.fixture
def samples(stream_shards, vocabulary, tmp_path) -> SampleReader:
    """60 pairs, three of them faulty, and 30 pieces of talk."""
    sources = [
        open_source("pairs", str(stream_shards / "pairs-*.tar"), partial(recipes.read_media, modality="image")),
        open_source("talk", str(stream_shards / "talk-*.tar"), recipes.as_it_is),
    ]
    preprocess = {"image": Patches(image_px=16).preprocess("image")}
    return SampleReader(sources, RecordReader(local_store(tmp_path)), vocabulary, preprocess, max_tokens=200)
