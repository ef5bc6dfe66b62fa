"""What the models are asked."""

from __future__ import annotations

from typing import Any

import numpy as np
from models import ARM, LINKS, NETWORK, Model
from numpy.typing import NDArray

Rows = NDArray[np.float32]

_EXTREMES = [0.0, 1.0, np.nan, np.inf, 1e38, 1e-45]


def batches(model: Model) -> dict[str, Rows]:
    """Tables (N, features): all special rows, 1000 random ones, two, and five single ones."""
    special = {ARM.name: _arm_rows, NETWORK.name: _network_rows}.get(model.name, _pair_rows)(model)
    rng = np.random.default_rng(7)
    random = rng.normal(size=(1000, model.features)) * 10.0 ** rng.uniform(-4, 1, (1000, 1))
    tables = {"special": special, "random": random, "two": random[:2]}
    ones = np.linspace(0, len(special) - 1, 5).astype(int)
    tables |= {f"row {i}": special[i : i + 1] for i in ones}
    return {name: np.asarray(table, dtype=np.float32) for name, table in tables.items()}


def pair(model: Model, rows: Rows) -> tuple[Rows, Rows]:
    """(P, Q) of a model that only hands them on."""
    return rows[:, model.P], rows[:, model.Q]


def _pair_rows(model: Model) -> NDArray[Any]:
    """Every P with every Q, of both signs, also at a threshold and one ulp beside it."""
    some_q = [*_at_thresholds(model), *_EXTREMES, 1e-5]
    P, Q = np.meshgrid([*_EXTREMES, -3.5, -np.inf], [*some_q, *np.negative(some_q)])
    # Columns of one kind differ, so that a mask in the wrong column is seen.
    p_columns = [P.ravel(), P.ravel()[::-1]][: 1 if isinstance(model.P, int) else 2]
    q_columns = [Q.ravel(), np.roll(Q.ravel(), 5)][: model.features - len(p_columns)]
    return np.stack(p_columns + q_columns, axis=1)


def _at_thresholds(model: Model) -> Rows:
    """The thresholds as float32, and one ulp beside them."""
    taus = np.array([model.tau_infer, model.tau_train or 0.05], dtype=np.float32)
    below, above = np.nextafter(taus, np.float32([[0], [1]]))
    return np.concatenate([taus, below, above])


def _arm_rows(model: Model) -> NDArray[Any]:
    """Stretched, folded, and bent until det J is about a threshold."""
    at = np.arcsin(_at_thresholds(model) / np.float32(LINKS[0] * LINKS[1]))
    around = [(at.view(np.int32) + step).view(np.float32) for step in range(-3, 4)]
    # Sines differ between machines in the last bit, so nothing but masks shall depend on those.
    near = np.meshgrid(np.concatenate(around), [0.0, 0.1])
    far = np.meshgrid([np.pi, 0.0, 1.0, np.nan, np.inf, 1e-45], [0.0, 0.1, 3e38, np.nan])
    q2, dx = (np.concatenate([a.ravel(), b.ravel()]) for a, b in zip(near, far, strict=True))
    rows = np.stack([np.full(q2.size, 0.3), q2, dx, -dx], axis=1)
    return np.concatenate([rows, rows * [1, -1, 1, 1]])


def _network_rows(model: Model) -> NDArray[Any]:
    """The origin, where Q is exactly 0, and what is no number."""
    first, last = np.meshgrid(_EXTREMES, [*_EXTREMES, -np.inf, -1.0])
    rows = np.zeros((first.size, model.features))
    rows[:, 0], rows[:, -1] = first.ravel(), last.ravel()
    return rows
