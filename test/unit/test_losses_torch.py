"""The losses: exact values, their zeros, and gradients that stay finite at Q = 0."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch, in which the losses are written")

from zeroproof_ros.training.losses import (
    TARGET_COVERAGE,
    gauge_loss,
    implicit_loss,
    margin_loss,
    rejection_loss,
    separation_loss,
    sign_loss,
)

F = torch.float64
BOTH = torch.tensor([True, True])


def tensor(*values: Any) -> Any:
    return torch.tensor(values, dtype=F)


def test_implicit_loss_is_the_squared_cross_product() -> None:
    P, Q = tensor([1.0, 2.0], [1.0, 0.0]), tensor(3.0, 0.0)
    P_true, Q_true = tensor([1.0, 1.0], [1.0, 0.0]), tensor(2.0, 0.0)
    # rows: cross (2 - 3, 4 - 3) over 2^2 + 1, and (0, 0)
    found = implicit_loss(P, Q, P_true, Q_true, q_floor=1.0)
    assert found.item() == pytest.approx((2.0 / 25.0 + 0.0) / 2)


def test_implicit_loss_is_the_error_of_the_value_away_from_the_floor() -> None:
    P_true, Q_true = tensor([3.0]), tensor(2.0)
    found = implicit_loss(tensor([3.1]), Q_true, P_true, Q_true, q_floor=1e-9)
    assert found.item() == pytest.approx((3.1 / 2 - 3.0 / 2) ** 2)


FACTORS = st.floats(-10, 10)


@given(st.lists(FACTORS, min_size=4, max_size=4), FACTORS)
def test_implicit_loss_does_not_see_the_gauge_and_gauge_loss_does(
    numbers: list[float], factor: float
) -> None:
    P, Q = tensor(numbers[:2], numbers[2:]), tensor(0.0, 1.0)
    found = implicit_loss(factor * P, factor * Q, P, Q, q_floor=0.5)
    assert found.item() == pytest.approx(0.0, abs=1e-12)
    found = gauge_loss(factor * Q, Q, q_floor=0.5)
    assert found.item() == pytest.approx((factor - 1) ** 2 / 1.25 / 2)


def test_gauge_loss_is_relative_above_the_floor_and_absolute_below() -> None:
    assert gauge_loss(tensor(1.5), tensor(1.0), q_floor=1e-9).item() == pytest.approx(0.25)
    assert gauge_loss(tensor(0.5), tensor(0.0), q_floor=1.0).item() == 0.25


def test_margin_loss() -> None:
    Q = tensor(0.5, -0.25, 0.0, 0.1)
    has_value = torch.tensor([True, True, True, False])
    # 0, (1 - 1/2)^2, 1, not counted
    found = margin_loss(Q, has_value, tau_train=0.5)
    assert found.item() == pytest.approx(1.25 / 3)


def test_sign_loss() -> None:
    found = sign_loss(tensor(1.0, -2.0, 3.0, 0.0), tensor(1.0, 1.0, -1.0, 1.0), q_floor=1.0)
    assert found.item() == pytest.approx((0 + 2.0 / 2 + 3.0 / 2 + 0) / 4)
    # where the true denominator vanishes no sign is right or wrong
    assert sign_loss(tensor(5.0), tensor(0.0), q_floor=1.0).item() == 0.0


def test_separation_loss() -> None:
    Q = tensor(0.5, -1.0, 0.25, 9.0)
    is_censored = torch.tensor([True, True, True, False])
    # 0 at the threshold, 1, 0 below, not counted
    assert separation_loss(Q, is_censored, tau_infer=0.5).item() == pytest.approx(1.0 / 3)


def test_rejection_loss_is_the_missing_coverage_squared() -> None:
    accepted, rejected = tensor(100.0, -100.0), tensor(0.0, 0.0)
    assert rejection_loss(accepted, BOTH, tau_infer=0.1).item() == 0.0
    at_threshold = rejection_loss(tensor(0.1, -0.1), BOTH, tau_infer=0.1)
    assert at_threshold.item() == pytest.approx((TARGET_COVERAGE - 0.5) ** 2)
    found = rejection_loss(rejected, BOTH, tau_infer=0.1)
    assert found.item() == pytest.approx(TARGET_COVERAGE**2, rel=1e-3)


def test_a_mean_over_no_rows_is_zero() -> None:
    Q, none = tensor(0.0, 3.0), torch.tensor([False, False])
    assert margin_loss(Q, none, tau_train=1.0).item() == 0.0
    assert separation_loss(Q, none, tau_infer=1.0).item() == 0.0
    assert rejection_loss(Q, none, tau_infer=1.0).item() == 0.0


@pytest.mark.parametrize("q_true", [0.0, 1e-30, -1e-30, 0.5])
@pytest.mark.parametrize("q", [0.0, -0.0, 1e-30, 1e-3])
def test_gradients_are_finite_where_denominators_vanish(q: float, q_true: float) -> None:
    P = torch.ones(2, 2, dtype=torch.float32, requires_grad=True)
    Q = torch.full((2,), q, dtype=torch.float32, requires_grad=True)
    Q_true = torch.full((2,), q_true, dtype=torch.float32)
    total = (
        implicit_loss(P, Q, torch.zeros(2, 2), Q_true, q_floor=0.1)
        + gauge_loss(Q, Q_true, q_floor=0.1)
        + margin_loss(Q, BOTH, tau_train=0.1)
        + sign_loss(Q, Q_true, q_floor=0.1)
        + rejection_loss(Q, BOTH, tau_infer=0.1)
        + separation_loss(Q, BOTH, tau_infer=0.1)
    )
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(P.grad).all()
    assert torch.isfinite(Q.grad).all()


def test_the_wrong_sign_is_pulled_over() -> None:
    Q = torch.tensor([-0.2], dtype=F, requires_grad=True)
    sign_loss(Q, tensor(1.0), q_floor=0.1).backward()
    assert Q.grad.item() < 0
