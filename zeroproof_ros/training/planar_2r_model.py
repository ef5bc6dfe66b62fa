"""A learned projective model of a planar two-link arm."""

from __future__ import annotations

import torch
from torch import nn

WIDTH = 64


class Planar2RModel(nn.Module):
    """P and Q for a tool step dx at the joint angles q of one arm.

    From f = (sin q1, sin q2, cos q1, cos q2) a gated network makes five numbers, of which

        h = silu(V f + v) * (W f + w)      (A, Q) = U h + u      P = A(q) dx

    so it is periodic in q and P is linear in dx, as it is in J^-1 dx = adj(J) dx / det J. Neither
    the link lengths nor the formulas of the arm are inside: A and Q are learnt from rows.

    (P, Q) and (c P, c Q) have the same value, so a fit of the value alone leaves the gauge c(q)
    open and a threshold on |Q| would mean nothing. Here Q is trained to be det J [m^2]: the gauge
    is fixed, tau_infer is a distance from singularity, and Q has both signs and vanishes where the
    arm is singular.

    Args:
        max_determinant: the largest |det J| of the arm [m^2]. It is the unit in which the network
            computes, so that it learns arms of any size alike; Q itself is in m^2.
    """

    scale: torch.Tensor

    def __init__(self, max_determinant: float) -> None:
        super().__init__()
        self.gate, self.value = nn.Linear(4, WIDTH), nn.Linear(4, WIDTH)
        self.head = nn.Linear(WIDTH, 5)
        self.register_buffer("scale", torch.tensor(max_determinant, dtype=torch.float32))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """P (N, 2) [m^2 rad] and Q (N,) [m^2] for x (N, 4): q1, q2 [rad], dx, dy [m]."""
        q, dx, dy = x[:, :2], x[:, 2:3], x[:, 3:4]
        f = torch.cat([torch.sin(q), torch.cos(q)], dim=1)
        a = self.head(nn.functional.silu(self.gate(f)) * self.value(f))
        P = torch.sqrt(self.scale) * (a[:, 0:2] * dx + a[:, 2:4] * dy)
        return P, self.scale * a[:, 4]
