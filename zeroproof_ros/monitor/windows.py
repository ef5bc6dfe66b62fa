"""Rows counted over everything, over the last seconds and over the last rows."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.monitor.counts import COUNTED, RowCounts, count_rows
from zeroproof_ros.monitor.rates import Rates

# A window is kept as this many slices, so that its memory does not depend on the message rate.
SLICES = 100


@dataclass(frozen=True)
class Span:
    """Rows that were counted together.

    Attributes:
        counts: of the rows.
        seconds: the time they came in over [s], not above 0 where it is unknown.
    """

    counts: RowCounts
    seconds: float

    @property
    def rates(self) -> Rates:
        """The rates of the rows."""
        return Rates.of(self.counts, self.seconds)


class RateMonitor:
    """Counts with a clock given from outside; its memory does not grow.

    The clock is 0 before it starts. When it starts or runs backwards the window is emptied, and
    what came before keeps its distance in time.

    Args:
        window: length of the sliding window [s], kept to a hundredth of it.
        window_rows: how many of the last rows are kept one by one.
    """

    def __init__(self, window: float, window_rows: int) -> None:
        self._window = window
        self._last = np.zeros(window_rows, dtype=[*COUNTED.items(), ("time", np.float64)])
        self._now = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget everything but the time."""
        self._total = RowCounts()
        self._slices: deque[tuple[int, RowCounts]] = deque(maxlen=SLICES + 1)
        # when the first row came, and when the last one did, or the watching began
        self._started: float | None = None
        self._heard = self._now

    def update(self, rows: NDArray[Any], now: float) -> None:
        """Count a structured array (N,) with the fields `COUNTED`, at a time [s].

        Raises:
            ArrayError: a row that no result has; nothing is counted then.
        """
        counts = count_rows(rows)
        self._look(now)
        if not counts.rows:
            return
        self._heard = now
        if self._started is None:
            self._started = now or None
        self._remember(rows, now)
        self._total += counts
        index = self._slice(now)
        if self._slices and self._slices[-1][0] == index:
            counts = self._slices.pop()[1] + counts
        self._slices.append((index, counts))

    def spans(self, now: float) -> dict[str, Span]:
        """What was counted until `now` [s].

        "all" is since the start or reset. "window" is the last seconds, to a hundredth: the last
        rows in order of arrival, as many as its count says. "last" is the last `window_rows` rows.
        """
        self._look(now)
        started = now if self._started is None else self._started
        oldest = self._slice(now) - SLICES
        recent = sum((c for index, c in self._slices if index > oldest), RowCounts())
        last = self._last[: self._total.rows]
        since = max(started, float(last["time"].min(initial=math.inf)))
        return {
            "all": Span(self._total, now - started),
            "window": Span(recent, min(now - started, self._window)),
            "last": Span(count_rows(last), now - since),
        }

    def rates(self, now: float) -> dict[str, Rates]:
        """The rates of all `spans`."""
        return {name: span.rates for name, span in self.spans(now).items()}

    def silence(self, now: float) -> float:
        """How long no row has come [s]; while the clock does not run it does not get longer."""
        self._look(now)
        return now - self._heard

    def _look(self, now: float) -> None:
        """Take note of the time."""
        if now < self._now or (now and not self._now):
            jump = now - self._now
            self._slices.clear()
            self._heard += jump
            self._last["time"] += jump
            if self._started is not None:
                self._started += jump
        self._now = now

    def _remember(self, rows: NDArray[Any], now: float) -> None:
        """Write the end of `rows` over the oldest rows; which is which, the total count says."""
        end, size = self._total.rows + len(rows), len(self._last)
        rows = rows[-size:]
        places = np.arange(end - len(rows), end) % size
        for name in COUNTED:
            self._last[name][places] = rows[name]
        self._last["time"][places] = now

    def _slice(self, now: float) -> int:
        return math.floor(now * SLICES / self._window)
