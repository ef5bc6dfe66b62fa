"""The projective models that every version exports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Of the planar arm [m].
LINKS = (1.0, 0.8)


@dataclass(frozen=True)
class Model:
    """A model of float32 rows (N, features).

    Attributes:
        name: tells it apart, also in file names.
        features: the width of a row.
        P, Q: which features are numerator and denominator, for a model that only hands them on: a
            slice keeps the axis, an index drops it. None for a model that computes them.
        tau_infer, tau_train: as in `InferenceConfig`.
    """

    name: str
    features: int
    P: int | slice | None = None
    Q: int | slice | None = None
    tau_infer: float = 0.02
    tau_train: float | None = 0.05


# Models of which every P and Q can be asked for, so also those at a threshold. The threshold of
# those without a gap is a float32 number: then a float32 Q can be exactly there.
PAIRS = (
    Model("one_value", 2, 0, 1),
    Model("q_per_row", 3, slice(2), 2),
    Model("q_per_row_no_gap", 3, slice(2), 2, 2.0**-6, None),
    Model("q_column", 3, slice(2), slice(2, 3)),
    Model("q_column_no_gap", 3, slice(2), slice(2, 3), 2.0**-6, None),
    Model("q_per_value", 4, slice(2), slice(2, 4)),
)
ARM = Model("arm", 4)
NETWORK = Model("network", 4)
MODELS = (*PAIRS, ARM, NETWORK)


def module(model: Model) -> Any:
    """The model as a torch module that answers (P, Q)."""
    import torch

    class Pair(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:, model.P], x[:, model.Q]

    class Arm(torch.nn.Module):
        """P = adj(J) dx, Q = det J of a planar arm: Q vanishes where it is stretched or folded."""

        def forward(self, x: Any) -> Any:
            (l1, l2), (q1, q2, dx, dy) = LINKS, x.unbind(1)
            forearm_x, forearm_y = l2 * torch.cos(q1 + q2), l2 * torch.sin(q1 + q2)
            tool_x, tool_y = l1 * torch.cos(q1) + forearm_x, l1 * torch.sin(q1) + forearm_y
            P = [forearm_x * dx + forearm_y * dy, -tool_x * dx - tool_y * dy]
            return torch.stack(P, dim=1), l1 * l2 * torch.sin(q2)

    class Network(torch.nn.Module):
        """Enough weights for a file of their own; Q(0) is exactly 0, P(0) is not."""

        def __init__(self) -> None:
            super().__init__()
            with torch.random.fork_rng():
                torch.manual_seed(0)
                self.hidden = torch.nn.Sequential(
                    torch.nn.Linear(4, 64, bias=False),
                    torch.nn.Tanh(),
                    torch.nn.Linear(64, 64, bias=False),
                    torch.nn.Tanh(),
                )
                self.P = torch.nn.Linear(64, 2)
                self.Q = torch.nn.Linear(64, 1, bias=False)

        def forward(self, x: Any) -> Any:
            hidden = self.hidden(x)
            return self.P(hidden), self.Q(hidden)[:, 0]

    return {ARM.name: Arm, NETWORK.name: Network}.get(model.name, Pair)().eval()
