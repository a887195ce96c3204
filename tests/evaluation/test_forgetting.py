import pytest
import torch
import torch.nn.functional as F

from anyany.evaluation import forgetting
from anyany.evaluation.forgetting import text_loss
from anyany.evaluation.items import held_out_texts
from anyany.figures import mean
from anyany.messages.render import render
from tests.models.test_assemble import ROWS, assembled


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 4, 50])
def test_the_loss_is_that_of_each_conversation_alone(monkeypatch, batch):
    monkeypatch.setattr(forgetting, "BATCH", batch)
    parts = assembled(ROWS)
    llm, conversations, losses = parts.llm.eval(), held_out_texts("easy", 6), []
    for messages in conversations:
        one = render(messages, parts.vocabulary)
        ids_T, labels_T = torch.from_numpy(one.input_ids_T).long(), torch.from_numpy(one.labels_T).long()
        positions_1T = torch.arange(len(one))[None]
        hidden_1TD = llm(llm.embed(ids_T[None]), positions_1T, torch.zeros_like(positions_1T))
        logits_TV = llm.head(hidden_1TD[0])
        wanted_T = [t for t in range(1, len(one)) if labels_T[t] != -100]
        each = [F.cross_entropy(logits_TV[t - 1], labels_T[t]) for t in wanted_T]
        losses.append(float(torch.stack(each).mean()))
    found, wanted = text_loss(llm, parts.vocabulary, conversations), mean(losses)
    assert (found.value, found.low, found.high) == pytest.approx((wanted.value, wanted.low, wanted.high), rel=1e-5)
    assert found.n == 6
