"""Rates over recorded time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.messages.targets import NANOSECONDS
from zeroproof_ros.pipeline import Source

# A bin is long enough for so many targets, if they came evenly, and there are about so many bins.
TARGETS_PER_BIN = 5
BINS = 200


@dataclass(frozen=True, eq=False)
class Stretch:
    """One recording over time.

    Attributes:
        recording: its number.
        edges: (B + 1,) of the bins [s] since its first row.
        rates: coverage, bottom, gap, fallback and reject, (B,) shares of the rows of each bin, NaN
            where there are none.
    """

    recording: int
    edges: NDArray[np.float64]
    rates: dict[str, NDArray[np.float64]]


def stretches(evaluation: Evaluation, width: int) -> list[Stretch]:
    """The rates of each recording with rows, in bins of `width` [ns]."""
    found = []
    for recording, which in _rows_of(evaluation):
        rows, times = evaluation.rows[which], evaluation.origin["recorded_ns"][which]
        place = _places(times, width)
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
        edges = np.linspace(0.0, len(total) * width / NANOSECONDS, len(total) + 1)
        found.append(Stretch(recording, edges, rates))
    return found


def _places(times: NDArray[np.int64], width: int) -> NDArray[np.intp]:
    """(N,) the bin of each time."""
    if width > _span(times):  # a width beyond uint64 too
        return np.zeros(len(times), dtype=np.intp)
    # The difference of two times may be beyond int64, but not beyond uint64.
    places = (times - times.min()).view(np.uint64) // np.uint64(width)
    return np.asarray(places, dtype=np.intp)


def bin_width(evaluations: Sequence[Evaluation]) -> int:
    """How long a bin is [ns]: 1, 2 or 5 times a power of ten, the same for all recordings."""
    longest = max(map(_length, evaluations))
    targets = sum(bag.messages for bag in evaluations[0].bags)
    least = longest / min(max(targets / TARGETS_PER_BIN, 1), BINS)
    width = 1
    while 10 * width < least:
        width *= 10
    return next(step * width for step in (1, 2, 5, 10) if step * width >= least)


def _length(evaluation: Evaluation) -> int:
    """Of all recordings together [ns]."""
    times = [evaluation.origin["recorded_ns"][which] for _, which in _rows_of(evaluation)]
    return sum(map(_span, times))


def _span(times: NDArray[np.int64]) -> int:
    return int(times.max()) - int(times.min())


def _rows_of(evaluation: Evaluation) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    for recording in range(len(evaluation.bags)):
        which = np.asarray(evaluation.origin["bag"] == recording)
        if which.any():
            yield recording, which
