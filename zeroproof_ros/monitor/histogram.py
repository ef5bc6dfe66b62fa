"""A histogram of |Q| that never grows and adds up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.errors import ConfigError

PER_DECADE = 100
EDGES = 10.0 ** (np.arange(-12 * PER_DECADE, 6 * PER_DECADE + 1) / PER_DECADE)
EDGES.setflags(write=False)
# Of a quantile from EDGES[0] up to EDGES[-1]: the value in the middle of its bin, in logarithms.
RELATIVE_ERROR = 10.0 ** (0.5 / PER_DECADE) - 1.0
# What each bin stands for, those beside the edges for nothing further away than these.
_VALUES = np.concatenate([EDGES[:1], np.sqrt(EDGES[:-1] * EDGES[1:]), EDGES[-1:]])
_NOTHING = np.zeros(len(EDGES) + 1, dtype=np.int64)
_NOTHING.setflags(write=False)


@dataclass(frozen=True, eq=False)
class QHistogram:
    """How many rows had which |Q|, in bins of equal logarithmic width.

    Attributes:
        unknown: rows that told no |Q|, or one that is infinite.
        zero: rows with |Q| == 0, which has no logarithm.
        minimum: the smallest |Q|, exactly; inf where no row told one.
        bins: (len(EDGES) + 1,) all other rows: below the first edge, from each edge up to the next,
            from the last edge on.
    """

    unknown: int = 0
    zero: int = 0
    minimum: float = math.inf
    bins: NDArray[np.int64] = field(default_factory=lambda: _NOTHING)

    @classmethod
    def of(cls, q_abs: NDArray[Any]) -> QHistogram:
        """The histogram of |Q| (N,)."""
        known = q_abs[np.isfinite(q_abs)]
        if not known.size:
            return cls(unknown=len(q_abs))
        positive = known[known > 0.0]
        places = np.searchsorted(EDGES, positive, side="right")
        return cls(
            unknown=len(q_abs) - known.size,
            zero=known.size - positive.size,
            minimum=float(known.min()),
            bins=np.bincount(places, minlength=len(_NOTHING)),
        )

    def __add__(self, other: QHistogram) -> QHistogram:
        return QHistogram(
            self.unknown + other.unknown,
            self.zero + other.zero,
            min(self.minimum, other.minimum),
            self.bins + other.bins,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QHistogram):
            return NotImplemented
        mine, others = ((h.unknown, h.zero, h.minimum) for h in (self, other))
        return mine == others and np.array_equal(self.bins, other.bins)

    __hash__ = None  # type: ignore[assignment] # it holds an array

    def percentile(self, percent: int) -> float:
        """The smallest |Q| that `percent` of 100 known rows do not exceed, NaN where none is known.

        It is off by at most `RELATIVE_ERROR` where it lies between the first and the last edge;
        beyond them that edge is told. 0 is exact.

        Raises:
            ConfigError: a percentage outside 1..100.
        """
        if not 1 <= percent <= 100:
            raise ConfigError(
                f"percentile {percent}, expected 1 to 100", found=percent, expected="1 to 100"
            )
        reached = self.zero + np.cumsum(self.bins)
        # in whole numbers: 0.07 * 100 rows are more than 7
        rank = -(-percent * int(reached[-1]) // 100)
        if not rank:
            return math.nan
        if rank <= self.zero:
            return 0.0
        # no quantile is below the minimum, and the middle of its bin may be
        return max(self.minimum, float(_VALUES[np.searchsorted(reached, rank)]))
