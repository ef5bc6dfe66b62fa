"""Where two tables of answers to the same rows differ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.kinematics.limits import BoolArray

# By which a row says what became of it.
ROUTES = ("bottom", "gap", "fault", "semantic", "source", "reason")
# By which a row is found again, see `answering.ORIGIN`.
PLACE = ("bag", "message", "row")


def differences(ours: NDArray[Any], theirs: NDArray[Any], tolerance: float) -> dict[str, BoolArray]:
    """Per column of result rows (N,), which rows (N,) differ.

    Codes differ where they are not equal; numbers a and b where |a - b| > tolerance * max(1, |b|).
    What is no number equals its like.
    """
    found = {}
    for field in ours.dtype.names or ():
        a, b = ours[field], theirs[field]
        same = a == b
        if a.dtype.kind == "f":
            with np.errstate(invalid="ignore", over="ignore"):  # infinities
                near = np.abs(a - b) <= tolerance * np.maximum(1.0, np.abs(b))
            same |= near & np.isfinite(b)
            same |= np.isnan(a) & np.isnan(b)
        found[field] = ~(same if same.ndim == 1 else same.all(axis=1))
    return found


def answered_by_both(a: Evaluation, b: Evaluation) -> tuple[NDArray[Any], NDArray[Any]]:
    """The rows that both evaluations have of the same recordings, as indices (M,) into each.

    Raises:
        ConfigError: the bundles take other columns, so that their rows are not the same.
    """
    if a.ik.layout != b.ik.layout:
        raise ConfigError(
            f"{a.ik.bundle.id} takes and answers {_columns(a)}, {b.ik.bundle.id} {_columns(b)}; "
            "only bundles with the same columns can be compared",
            found=_columns(b),
            expected=_columns(a),
        )
    # A target in another frame is refused by one of them, and then has no rows.
    keys = [
        e.origin["bag"].astype(np.uint64) << np.uint64(40) | e.origin["message"] for e in (a, b)
    ]
    first, second = (np.flatnonzero(np.isin(x, y)) for x, y in (keys, keys[::-1]))
    return first, second


def _columns(evaluation: Evaluation) -> str:
    layout = evaluation.ik.layout
    return f"({', '.join(layout.features)}) -> ({', '.join(layout.outputs)})"
