"""Torch models of the tests; to be imported where torch is known to be there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Columns(nn.Module):
    """Answers the columns of its table as P and Q, so that a test chooses both exactly.

    `shape` is that of (P, Q) in words: "(N,) (N,)", "(N, K) (N,)", "(N, K) (N, 1)" or
    "(N, K) (N, K)", where K is 2.
    """

    def __init__(self, shape: str) -> None:
        super().__init__()
        P, Q = shape.split(") (")
        self.p, self.flat_p = (2 if "K" in P else 1), "K" not in P
        self.q, self.flat_q = (2 if "K" in Q else 1), Q == "N,)"

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        P, Q = x[:, : self.p], x[:, self.p : self.p + self.q]
        return (P[:, 0] if self.flat_p else P), (Q[:, 0] if self.flat_q else Q)


class Learned(nn.Module):
    """A small network with a shared denominator that vanishes here and there."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 8))
        self.numerator, self.denominator = nn.Linear(8, 2), nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.body(x)
        return self.numerator(features), self.denominator(features).squeeze(-1)


class Answers(nn.Module):
    """One linear layer of three outputs, and whatever a test makes of them."""

    def __init__(self, make: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.make = make

    def forward(self, x: torch.Tensor) -> Any:
        return self.make(self.layer(x))


def learned() -> Learned:
    """The same network each time, in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return Learned().eval()


def rows(count: int = 200) -> torch.Tensor:
    """The same table (count, 4) each time."""
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(5))
