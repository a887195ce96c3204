import pytest
import torch

from tests.models.test_assemble import ROWS, assembled, dummies, sample


@pytest.mark.gpu
def test_a_batch_on_the_gpu_gives_the_loss_of_the_cpu():
    from anyany.messages.collate import collate
    from anyany.messages.types import Media, assistant, user

    parts = assembled(ROWS)
    messages = (user(Media("image", member="x"), Media("audio", member="y"), "what?"), assistant("a red ring"))
    batch = collate([[sample(parts.vocabulary, parts.preprocess, "k", *messages)]], parts.vocabulary, dummies(parts))
    model = parts.model()
    on_cpu, count = model(batch)["text"]
    on_gpu, same = model.cuda()(batch.to("cuda"))["text"]
    assert count == same
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=1e-3, atol=1e-3)


@pytest.mark.gpu
def test_batches_arrive_in_pinned_memory(tmp_path):
    from argparse import Namespace

    from tests.data.stream_shards import write_stream_shards
    from tests.training.stream_run import data_module

    numbers = {"steps": 2, "micro": 1, "workers": 1, "global_batch": 8, "packed": False}
    data = data_module(Namespace(shards=write_stream_shards(tmp_path / "shards"), run=tmp_path, **numbers))
    step = next(iter(data.train_dataloader()))
    assert step.micro_batches[0].media["image"].values.is_pinned()
