"""One optimizer step is one thing, however it is cut: into micro-batches here, over ranks in test_kill's processes."""

from argparse import Namespace
from functools import partial

import pytest
import torch
from lightning import Trainer

from anyany.runs import LEDGER
from anyany.training.callbacks import StreamLedger
from anyany.training.module import TrainingModule
from anyany.training.trainable import Trains
from tests.data.stream_shards import write_stream_shards
from tests.training.stream_run import SmallModel, data_module


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_stream_shards(tmp_path_factory.mktemp("shards"))


def trained(shards, run, steps=4, micro=1, packed=False, **options):
    """The weights after some steps, and the module."""
    numbers = {"steps": steps, "micro": micro, "workers": 0, "global_batch": 8}
    data = data_module(Namespace(shards=shards, run=run, packed=packed, **numbers))
    torch.manual_seed(0)
    module = TrainingModule(SmallModel(len(data.vocabulary)), partial(torch.optim.SGD, lr=1.0), **options)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        max_epochs=1,
        callbacks=[StreamLedger(run / LEDGER)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    return {name: p.detach().clone() for name, p in module.model.named_parameters()}, module, data


@pytest.mark.parametrize("packed", [False, True])
def test_micro_batches_change_nothing(tmp_path, shards, packed):
    whole, _, _ = trained(shards, tmp_path / "1", packed=packed)
    for micro in (2, 4, 8):
        cut, _, _ = trained(shards, tmp_path / str(micro), micro=micro, packed=packed)
        for name, tensor in whole.items():
            torch.testing.assert_close(cut[name], tensor, rtol=1e-5, atol=1e-6, msg=f"{micro} {name}")


def test_a_step_is_plain_gradient_descent_on_the_mean_over_tokens(tmp_path, shards):
    after, _, data = trained(shards, tmp_path, steps=1, micro=4, max_grad_norm=None)
    torch.manual_seed(0)
    model = SmallModel(len(data.vocabulary))
    (step,) = data.train_dataloader()
    total = sum(model(batch)["text"][0] for batch in step.micro_batches)
    (total / sum(batch.counts["text"] for batch in step.micro_batches)).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(after[name], parameter.detach() - parameter.grad, rtol=1e-5, atol=1e-6, msg=name)


def test_loss_weights_and_schedule_scale_the_step(tmp_path, shards):
    plain, module, _ = trained(shards, tmp_path / "a", steps=1, max_grad_norm=None)
    torch.manual_seed(0)
    before = {n: p.detach().clone() for n, p in SmallModel(module.model.embed.num_embeddings).named_parameters()}
    for options, factor in ({"loss_weights": {"text": 0.5}}, 0.5), ({"schedule": lambda step: 0.25}, 0.25):
        scaled, _, _ = trained(shards, tmp_path / str(factor), steps=1, max_grad_norm=None, **options)
        for name, tensor in before.items():
            torch.testing.assert_close(scaled[name] - tensor, factor * (plain[name] - tensor), rtol=1e-3, atol=1e-6)


def test_gradients_are_clipped_to_their_norm(tmp_path, shards):
    after, module, _ = trained(shards, tmp_path, steps=1, max_grad_norm=1e-3)
    torch.manual_seed(0)
    before = {n: p.detach() for n, p in SmallModel(module.model.embed.num_embeddings).named_parameters()}
    moved = torch.cat([(after[n] - before[n]).flatten() for n in before]).norm()
    assert moved.item() == pytest.approx(1e-3, rel=1e-3)


def test_the_logged_loss_is_the_mean_over_the_step(tmp_path, shards):
    _, module, data = trained(shards, tmp_path, steps=1, micro=2)
    torch.manual_seed(0)
    model = SmallModel(len(data.vocabulary))
    (step,) = data.train_dataloader()
    terms = [model(batch)["text"] for batch in step.micro_batches]
    mean = sum(total.item() for total, _ in terms) / sum(count for _, count in terms)
    assert module.trainer.callback_metrics["train/text"].item() == pytest.approx(mean, rel=1e-5)


def test_checkpoints_hold_what_trains_alone(tmp_path, shards):
    trains = {"head": Trains("head.*", 0.1)}
    weights, module, _ = trained(shards, tmp_path, steps=1, trains=trains)
    module.trainer.save_checkpoint(tmp_path / "c.ckpt")
    state = torch.load(tmp_path / "c.ckpt", weights_only=True)
    assert state["state_dict"].keys() == {"model.head.weight", "model.head.bias"}
    assert len(state["optimizer_states"][0]["param_groups"]) == 1
    other = TrainingModule(SmallModel(module.model.embed.num_embeddings), partial(torch.optim.SGD, lr=1.0), trains)
    other.on_load_checkpoint(state)
    other.load_state_dict(state["state_dict"], strict=False)
    assert torch.equal(other.model.head.weight, weights["head.weight"])


def test_a_checkpoint_of_other_parts_is_refused(tmp_path, shards):
    _, module, _ = trained(shards, tmp_path, steps=1, trains={"head": Trains("head.*", 0.1)})
    module.trainer.save_checkpoint(tmp_path / "c.ckpt")
    state = torch.load(tmp_path / "c.ckpt", weights_only=True)
    other = TrainingModule(
        SmallModel(module.model.embed.num_embeddings), partial(torch.optim.SGD, lr=1.0), {"mix": Trains("mix.*", 0.1)}
    )
    with pytest.raises(ValueError, match=r"lacks \['model.mix.bias', 'model.mix.weight'\] and has \['model.head"):
        other.on_load_checkpoint(state)
