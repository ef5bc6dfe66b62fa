"""Input rows for the planar_2r bundle: theta1, theta2 [rad], dx, dy [m]."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CONFIG = Path(__file__).parents[2] / "config"
BUNDLE = CONFIG / "bundles" / "planar_2r"
ROBOT = CONFIG / "robots" / "planar_2r.yaml"

STEP = 0.01  # [m]


def target_rows(count: int, routed: int = 0) -> NDArray[np.float64]:
    """Rows (count, 4) that are all served: `routed` of them by the solver, the rest by the model.

    The model serves an elbow that is well bent. The solver gets an arm that is all but stretched
    and shall draw the tool in, which it can do within the step limit.
    """
    random = np.random.default_rng(7)
    rows = np.empty((count, 4))
    rows[:, 0] = random.uniform(-2.5, 2.5, count)
    rows[:, 1] = random.uniform(0.5, 2.6, count) * random.choice([-1.0, 1.0], count)
    direction = random.uniform(-np.pi, np.pi, count)
    where = random.choice(count, routed, replace=False)
    rows[where, 1] = random.uniform(-0.01, 0.01, routed)
    direction[where] = rows[where, 0] + np.pi
    rows[:, 2], rows[:, 3] = STEP * np.cos(direction), STEP * np.sin(direction)
    return rows
