"""Quantiles of the last durations."""

from __future__ import annotations

from collections import deque

import numpy as np


class LatencyWindow:
    """The last `size` durations [s]; its memory does not grow."""

    def __init__(self, size: int) -> None:
        self._durations: deque[float] = deque(maxlen=size)

    def add(self, duration: float) -> None:
        """Remember a duration [s]."""
        self._durations.append(duration)

    def clear(self) -> None:
        """Forget all durations."""
        self._durations.clear()

    def quantiles(self, *levels: float) -> tuple[float, ...]:
        """The quantiles [s] at levels in 0..1, NaN where nothing was remembered."""
        if not self._durations:
            return (float("nan"),) * len(levels)
        return tuple(float(q) for q in np.quantile(np.array(self._durations), levels))
