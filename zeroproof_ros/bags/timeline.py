"""Rates over recorded time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.messages.targets import NANOSECONDS
from zeroproof_ros.pipeline import Source

RATES = ("coverage", "bottom", "gap", "fallback", "reject")
# A bin is long enough for so many targets, if they came evenly, and there are about so many bins.
TARGETS_PER_BIN = 5
BINS = 200


@dataclass(frozen=True, eq=False)
class Stretch:
    """One recording over time.

    Attributes:
        edges: (B + 1,) of the bins [s] since its first row.
        rates: by name of `RATES`, (B,) shares of the rows of each bin, NaN where there are none.
    """

    edges: NDArray[np.float64]
    rates: dict[str, NDArray[np.float64]]


def bin_width(evaluations: Sequence[Evaluation]) -> int:
    """How long a bin is [ns]: 1, 2 or 5 times a power of ten, the same for all recordings."""
    lengths = [sum(bag.last_ns - bag.first_ns for bag in each.bags) for each in evaluations]
    targets = sum(bag.messages for bag in evaluations[0].bags)
    least = max(lengths) / min(max(targets / TARGETS_PER_BIN, 1), BINS)
    width = 1
    while 10 * width < least:
        width *= 10
    return next(step * width for step in (1, 2, 5, 10) if step * width >= least)


def stretches(evaluation: Evaluation, width: int) -> list[Stretch]:
    """The rates of each recording with rows, in bins of `width` [ns]."""
    found = []
    for index in range(len(evaluation.bags)):
        which = evaluation.origin["bag"] == index
        if which.any():
            found.append(
                _stretch(evaluation.rows[which], evaluation.origin["recorded_ns"][which], width)
            )
    return found


def _stretch(rows: NDArray[np.void], times: NDArray[np.int64], width: int) -> Stretch:
    place = (times - times.min()) // width
    total = np.bincount(place)
    bottom, gap = rows["bottom"].astype(bool), rows["gap"].astype(bool)
    marked = {
        "coverage": ~(bottom | gap),
        "bottom": bottom,
        "gap": gap,
        "fallback": rows["source"] == Source.ANALYTIC,
        "reject": rows["source"] == Source.NONE,
    }
    with np.errstate(invalid="ignore"):  # 0 of 0 rows
        rates = {
            name: np.bincount(place, weights=mask, minlength=len(total)) / total
            for name, mask in marked.items()
        }
    return Stretch(np.linspace(0.0, len(total) * width / NANOSECONDS, len(total) + 1), rates)


def highest_rate(stretched: Sequence[Stretch]) -> float:
    """The largest rate of a bin, coverage aside; 0 without bins."""
    found = [s.rates[name] for s in stretched for name in RATES if name != "coverage"]
    return float(np.nanmax(np.concatenate(found))) if found else 0.0
