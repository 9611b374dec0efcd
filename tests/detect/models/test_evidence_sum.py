"""Joined evidence: log-sum-exp of the scaled questions, and a map that shares it out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from counterface.detect.models.evidence_sum import EvidenceSum

SCALES, OFFSETS = [3.0, 1.5, 0.25], [0.0, -1.0, -2.0]


class Told(nn.Module):
    """Gives the logits and maps it was told."""

    def __init__(self, logits: Tensor, maps: Tensor) -> None:
        super().__init__()
        self.answer = logits, maps

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return self.answer


def joined(logits: Tensor, blend: Tensor | None, scales: list[float], offsets: list[float]):
    shape = (*logits.shape, 2, 2)
    maps = torch.arange(shape[0] * shape[1] * 4, dtype=torch.float32).reshape(shape) / 10
    voters = [] if blend is None else [Told(blend, torch.full((len(blend), 2, 2), 7.0))]
    mix = torch.diag(torch.tensor(scales)).tolist()
    return EvidenceSum(Told(logits, maps), voters, mix, offsets), maps  # type: ignore[arg-type]


def test_the_logit_is_the_log_sum_exp_of_all_questions():
    logits, blend = torch.tensor([[0.4, -0.8], [1.0, 1.0]]), torch.tensor([4.0, -4.0])
    net, _ = joined(logits, blend, SCALES, OFFSETS)
    got, maps = net(torch.zeros(2, 3, 8, 8))
    odds = torch.tensor([[1.2, -2.2, -1.0], [3.0, 0.5, -3.0]])
    assert torch.allclose(got, odds.exp().sum(dim=1).log(), atol=1e-6)
    assert maps.shape == (2, 2, 2)


def test_one_question_alone_is_passed_through():
    logits = torch.tensor([[0.4], [-2.0]])
    net, maps = joined(logits, None, [2.0], [0.5])
    got, shown = net(torch.zeros(2, 3, 8, 8))
    assert torch.allclose(got, logits[:, 0] * 2 + 0.5)
    assert torch.allclose(shown, maps[:, 0] * 2)


def test_strong_evidence_is_not_outvoted_and_is_the_one_that_is_shown():
    logits = torch.tensor([[10.0, -30.0]])
    net, maps = joined(logits, None, [1.0, 1.0], [0.0, 0.0])
    got, shown = net(torch.zeros(1, 3, 8, 8))
    assert got.item() == pytest.approx(10.0, abs=1e-4)
    assert torch.allclose(shown, maps[:, 0], atol=1e-4)


def test_more_evidence_for_any_question_never_lowers_the_answer():
    base = torch.tensor([[0.2, -0.4]])
    answer = joined(base, None, SCALES[:2], OFFSETS[:2])[0](torch.zeros(1, 3, 8, 8))[0]
    for more in ([[0.7, -0.4]], [[0.2, 0.1]]):
        net, _ = joined(torch.tensor(more), None, SCALES[:2], OFFSETS[:2])
        assert net(torch.zeros(1, 3, 8, 8))[0] > answer


def test_huge_logits_stay_finite():
    net, _ = joined(torch.tensor([[500.0, -500.0]]), None, SCALES[:2], OFFSETS[:2])
    got, shown = net(torch.zeros(1, 3, 8, 8))
    assert got.item() == pytest.approx(1500)
    assert torch.isfinite(shown).all()


def test_the_mix_and_the_offsets_are_saved_with_the_weights():
    net, _ = joined(torch.zeros(1, 2), None, [1.5, 2.5], [0.5, -0.5])
    state = net.state_dict()
    assert state["mix"].tolist() == [[1.5, 0.0], [0.0, 2.5]]
    assert state["offset"].tolist() == [0.5, -0.5]


def test_two_nets_may_answer_one_question():
    logits, vote = torch.tensor([[0.4, -0.8]]), torch.tensor([3.0])
    maps = torch.ones(1, 2, 2, 2) * logits[:, :, None, None]
    voter = Told(vote, torch.full((1, 2, 2), 3.0))
    net = EvidenceSum(Told(logits, maps), [voter], [[1, 0, 0], [0, 2, 1]], [0.0, -1.0])  # type: ignore[arg-type]
    got, shown = net(torch.zeros(1, 3, 8, 8))
    odds = torch.tensor([0.4, -1.6 + 3.0 - 1.0])
    assert got.item() == pytest.approx(odds.exp().sum().log().item(), abs=1e-5)
    share = odds.softmax(dim=0)
    assert torch.allclose(shown, torch.full((1, 2, 2), float(share @ torch.tensor([0.4, 1.4]))))
