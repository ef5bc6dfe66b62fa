"""Rates over everything counted and over a sliding window."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from zeroproof_ros.monitor.counts import RowCounts

# A window is kept as this many slices, so that its memory does not depend on the message rate.
SLICES = 100


@dataclass(frozen=True)
class Rates:
    """Shares of `rows`; NaN where there were none, since no share is known then.

    Attributes:
        rows: how many rows these are the rates of.
        bottom_rate, gap_rate, fault_rate: rows without a value, risky, without one by a fault.
        accept_rate: 1 - bottom: the gap counts as accepted.
        coverage: 1 - bottom - gap: the gap does not.
        fallback_rate: rows the solver served.
        reject_rate: rows nobody served.
        serve_rate: rows model or solver served.
        rows_per_second: over the time the rows came in.
        q_abs_min: smallest |Q|, NaN where no row told it.
    """

    rows: float
    bottom_rate: float
    gap_rate: float
    fault_rate: float
    accept_rate: float
    coverage: float
    fallback_rate: float
    reject_rate: float
    serve_rate: float
    rows_per_second: float
    q_abs_min: float

    @classmethod
    def of(cls, counts: RowCounts, seconds: float) -> Rates:
        """The rates of counts that came in over some seconds."""
        n = counts.rows or math.nan
        bottom, gap = counts.bottom / n, counts.gap / n
        served = counts.served / n
        return cls(
            rows=float(counts.rows),
            bottom_rate=bottom,
            gap_rate=gap,
            fault_rate=counts.fault / n,
            accept_rate=1.0 - bottom,
            coverage=1.0 - bottom - gap,
            fallback_rate=counts.fallback / n,
            reject_rate=1.0 - served,
            serve_rate=served,
            rows_per_second=counts.rows / seconds if seconds > 0 else math.nan,
            q_abs_min=counts.q_abs_min if math.isfinite(counts.q_abs_min) else math.nan,
        )


@dataclass
class RateMonitor:
    """Counts with a clock given from outside; its memory does not grow.

    Args:
        window: length of the sliding window [s], kept to a hundredth of it.
    """

    window: float
    _total: RowCounts = field(default_factory=RowCounts, init=False)
    _slices: deque[tuple[int, RowCounts]] = field(
        default_factory=lambda: deque(maxlen=SLICES + 1), init=False
    )
    _started: float = field(default=0.0, init=False)

    def update(self, counts: RowCounts, now: float) -> None:
        """Add counts at a time `now` [s] that never runs backwards; 0 before the clock starts."""
        if not self._started:
            self._started = now
        self._total += counts
        index = self._slice(now)
        if self._slices and self._slices[-1][0] == index:
            counts = self._slices.pop()[1] + counts
        self._slices.append((index, counts))

    def reset(self) -> None:
        """Forget everything."""
        self._total, self._started = RowCounts(), 0.0
        self._slices.clear()

    def rates(self, now: float) -> dict[str, Rates]:
        """Rates over everything ("all") and over the sliding window ("window") before `now` [s]."""
        elapsed = now - self._started if self._started else 0.0
        oldest = self._slice(now) - SLICES
        recent = sum((c for index, c in self._slices if index > oldest), RowCounts())
        return {
            "all": Rates.of(self._total, elapsed),
            "window": Rates.of(recent, min(elapsed, self.window)),
        }

    def _slice(self, now: float) -> int:
        return math.floor(now * SLICES / self.window)
