"""The losses of a projective model, one function each, all without a unit.

P (N, K) and Q (N,) are a model's answers, P* and Q* the true pairs, and `q_floor` > 0 [unit of Q]
is the |Q*| below which a relative error becomes an absolute one. The gradients are finite
everywhere, also at Q = 0. A mean over no rows is 0.

Margin, sign consistency and rejection are named by the ZeroProofML document "Inference &
Deployment" (The Gap Region; Safety Checklist; Troubleshooting), which gives no formulas.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

# The share of rows with a value that shall be accepted.
TARGET_COVERAGE = 0.99


def implicit_loss(
    P: Tensor, Q: Tensor, P_true: Tensor, Q_true: Tensor, *, q_floor: float
) -> Tensor:
    """How far P/Q lies from P*/Q*, without a division by Q.

        mean |P Q* - P* Q|^2 / (Q*^2 + q_floor^2)^2

    In a signed common meadow two pairs have the same value where their cross product P Q* - P* Q
    is 0, which stays true where both denominators vanish. Where Q is close to Q* (see
    `gauge_loss`) and |Q*| above the floor, this is the squared error of P/Q.
    """
    cross = P * Q_true[:, None] - P_true * Q[:, None]
    return (cross.square().sum(dim=1) / (Q_true.square() + q_floor**2).square()).mean()


def gauge_loss(Q: Tensor, Q_true: Tensor, *, q_floor: float) -> Tensor:
    """How far Q lies from Q*: mean (Q - Q*)^2 / (Q*^2 + q_floor^2).

    It fixes the common factor of P and Q that the value P/Q leaves open.
    """
    return ((Q - Q_true).square() / (Q_true.square() + q_floor**2)).mean()


def margin_loss(Q: Tensor, has_value: Tensor, *, tau_train: float) -> Tensor:
    """Rows that have a value keep |Q| >= tau_train: mean max(0, 1 - |Q| / tau_train)^2 over them.

    Args:
        Q: (N,).
        has_value: (N,) bool.
        tau_train: in the unit of Q.
    """
    return _mean(relu(1.0 - Q.abs() / tau_train).square(), has_value)


def sign_loss(Q: Tensor, Q_true: Tensor, *, q_floor: float) -> Tensor:
    """Q has the sign of Q*: mean max(0, -Q Q*) / (Q*^2 + q_floor^2).

    On the wrong side of a singularity the answer P/Q moves the arm the wrong way.
    """
    return (relu(-Q * Q_true) / (Q_true.square() + q_floor**2)).mean()


def rejection_loss(Q: Tensor, has_value: Tensor, *, tau_infer: float) -> Tensor:
    """Enough of the rows that have a value are accepted: max(0, TARGET_COVERAGE - coverage)^2.

    The coverage is smooth, so that it can be trained: the mean of sigmoid(10 (|Q|/tau_infer - 1))
    over the rows that have a value; 1 if there is none.
    """
    accepted = torch.sigmoid(10.0 * (Q.abs() / tau_infer - 1.0))
    return relu(TARGET_COVERAGE - 1.0 + _mean(1.0 - accepted, has_value)).square()


def separation_loss(Q: Tensor, is_censored: Tensor, *, tau_infer: float) -> Tensor:
    """Censored rows, which have no value, keep |Q| <= tau_infer.

        mean max(0, |Q| / tau_infer - 1)^2 over them

    With `margin_loss` it keeps censored rows and rows with a value on the two sides of the gap.
    """
    return _mean(relu(Q.abs() / tau_infer - 1.0).square(), is_censored)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / mask.sum().clamp(min=1)
