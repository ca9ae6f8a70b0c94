"""Each term of the loss against its meaning."""

from __future__ import annotations

import pytest
import torch

from leaf_edge.student import losses
from leaf_edge.student.distil import in_order


def test_fidelity_rewards_the_right_order() -> None:
    target = torch.tensor([0.1, 0.5, 0.9])
    right = losses.fidelity(target, target)
    assert right < 1e-3
    assert losses.fidelity(target.flip(0), target) > 0.5
    # a common shift changes no preference
    assert losses.fidelity(target + 3, target) == pytest.approx(float(right), abs=1e-5)


def test_plcc_is_zero_for_any_rising_line_and_one_for_a_falling_one() -> None:
    target = torch.linspace(0, 1, 9)
    assert losses.plcc(5 * target - 2, target) == pytest.approx(0, abs=1e-5)
    assert losses.plcc(-target, target) == pytest.approx(1, abs=1e-5)


def test_spread_is_learned_without_touching_quality() -> None:
    mos = torch.tensor([0.4, 0.6], requires_grad=True)
    log_spread = torch.zeros(2, requires_grad=True)
    target = torch.tensor([0.3, 0.9])
    for _ in range(400):
        loss = losses.spread_nll(mos, log_spread.exp(), target)
        (grad,) = torch.autograd.grad(loss, log_spread)
        with torch.no_grad():
            log_spread -= 0.2 * grad
    # the likeliest deviation of one error is its size
    assert torch.allclose(log_spread.exp(), torch.tensor([0.1, 0.3]), atol=0.01)
    losses.spread_nll(mos, log_spread.exp(), target).backward()
    assert mos.grad is None


def test_chain_order_is_satisfied_by_a_steep_fall_only() -> None:
    severity = torch.tensor([[0.0, 0.3, 0.7, 1.0]])
    assert losses.chain_order(1 - losses.ORDER_GAIN * severity, severity) == pytest.approx(0, abs=1e-6)
    assert losses.chain_order(1 - 2 * severity, severity) == 0
    flat = losses.chain_order(torch.full((1, 4), 0.5), severity)
    rising = losses.chain_order(severity, severity)
    assert 0 < flat < rising


def test_a_teacher_that_misorders_a_chain_is_corrected_downwards_only() -> None:
    severity = torch.tensor([[0.0, 0.2, 0.4, 1.0]])
    told = torch.tensor([[0.7, 0.75, 0.3, 0.35]])
    mended = in_order(told, severity)
    assert (mended <= told).all() and mended[0, 0] == told[0, 0] and mended[0, 2] == told[0, 2]
    falls = -mended.diff(dim=1) / severity.diff(dim=1)
    assert (falls >= losses.ORDER_GAIN - 1e-5).all()
    assert torch.allclose(in_order(mended, severity), mended)
