import inspect
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from anyany.data import cleaning, recipes
from anyany.data.lengths import UNREADABLE, LengthTables
from anyany.data.order import Ref
from anyany.messages import render
from anyany.messages.collate import Sample
from anyany.messages.vocabulary import RowTokens, Vocabulary
from tests.data.stream_shards import FAULTY
from tests.data.test_samples import all_refs


@pytest.fixture
def tables(samples, tmp_path):
    return LengthTables(samples.sources, samples.reader, samples.vocabulary, tmp_path)


def test_lengths_are_those_of_the_rendered_samples(samples, tables):
    refs = all_refs(samples)
    checked = 0
    for ref, length in zip(refs, tables(refs), strict=True):
        sample = samples.read(ref)
        if isinstance(sample, Sample):
            assert length == len(sample.rendered), sample.key
            checked += 1
    assert checked == 87


def test_a_record_without_text_has_length_zero(tables):
    number = next(n for n, kind in FAULTY.items() if kind == "empty_caption")
    assert tables.table(0, number // 10)[number % 10, 0] == UNREADABLE
    assert tables([Ref(0, number // 10, number % 10)]) == [0]


def test_tables_are_made_once(samples, tables, monkeypatch):
    refs = all_refs(samples)
    first = tables(refs)
    monkeypatch.setattr(LengthTables, "_measure", lambda *args: pytest.fail("measured again"))
    assert (
        LengthTables(samples.sources, samples.reader, samples.vocabulary, tables.folders[0].parents[1])(refs) == first
    )


def test_another_number_of_rows_uses_the_same_tables(samples, tables):
    refs = all_refs(samples)[:5]
    row = samples.vocabulary.rows["image"]
    wider = Vocabulary(samples.vocabulary.tokenizer_json, "tiny", {"image": replace(row, num_rows=10)})
    other = LengthTables(samples.sources, samples.reader, wider, tables.folders[0].parents[1])
    assert other.folders == tables.folders
    np.testing.assert_array_equal(np.array(other(refs)) - np.array(tables(refs)), 6)  # one picture each


def test_what_decides_the_numbers_is_in_the_digest(samples, tables, tmp_path):
    def folder(vocabulary=samples.vocabulary, recipe=samples.sources[0].recipe):
        source = replace(samples.sources[0], recipe=recipe)
        return LengthTables([source], samples.reader, vocabulary, tmp_path).folders[0]

    chatml = Vocabulary(samples.vocabulary.tokenizer_json, "chatml", samples.vocabulary.rows)
    signals = Vocabulary(samples.vocabulary.tokenizer_json, "tiny", {"image": RowTokens("<|image|>", 4)})
    making = partial(recipes.make_media, modality="image")
    brief = partial(recipes.read_media, modality="image", prompts=("What?",))
    clean = partial(recipes.read_media, modality="image", clean=partial(cleaning.tidy))
    others = [folder(chatml), folder(signals), folder(recipe=making), folder(recipe=brief), folder(recipe=clean)]
    assert folder() == tables.folders[0]
    assert len({folder(), *others}) == 6


@pytest.mark.parametrize("edited", [recipes, cleaning, render])
def test_edited_code_does_not_meet_an_old_table(samples, tables, tmp_path, monkeypatch, edited):
    source_of = inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda code: source_of(code) + "#" * (code is edited))
    again = LengthTables(samples.sources[:1], samples.reader, samples.vocabulary, tmp_path)
    assert again.folders[0].name != tables.folders[0].name


def test_memory_holds_one_block_of_tables(samples, tables):
    tables(all_refs(samples))
    tables([Ref(0, 2, 1), Ref(1, 0, 0)])
    assert set(tables._tables) == {(0, 2), (1, 0)}
