"""Rows without a value as events, not more of them than a disk bears."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.contract import Reason, Source

# How long rows are counted that were not told, until an event tells how many these were [s].
UNTOLD_PERIOD = 1.0


class BottomRows:
    """Takes the bottom rows out of result tables, limited by a token bucket.

    Args:
        rate: how many rows are told per second for ever.
        burst: how many are told at once after a pause.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._refilled = float(burst), math.inf
        self._untold = self._untold_since_ns = 0
        self._untold_since = 0.0

    def take(
        self, rows: NDArray[Any], features: Sequence[str], *, stamp_ns: int, now: float
    ) -> list[dict[str, Any]]:
        """The content of an event for each bottom row that may be told.

        Args:
            rows: (N,) structured, as in a result table, with codes of `Source` and `Reason`.
            features: names of the columns of its field `in`.
            stamp_ns: of the target [ns].
            now: steady time [s].
        """
        elapsed = max(0.0, now - self._refilled)
        self._tokens = min(self._burst, self._tokens + self._rate * elapsed)
        self._refilled = now
        (bottom,) = np.nonzero(rows["bottom"])
        told = bottom[: int(self._tokens)]
        self._tokens -= len(told)
        if untold := len(bottom) - len(told):
            if not self._untold:
                self._untold_since, self._untold_since_ns = now, stamp_ns
            self._untold += untold
        return [
            {"row": int(i), "target_stamp_ns": stamp_ns, **_content(rows[i], features)}
            for i in told
        ]

    def untold(self, now: float) -> dict[str, int] | None:
        """How many rows were not told, and the stamp of the first target of these [ns].

        Args:
            now: steady time [s]; inf at the end.

        Returns:
            None where all were told, or where the first that was not is not long ago.
        """
        if not self._untold or now - self._untold_since < UNTOLD_PERIOD:
            return None
        count, self._untold = self._untold, 0
        return {"count": count, "since_ns": self._untold_since_ns}


def _content(row: Any, features: Sequence[str]) -> dict[str, Any]:
    return {
        "inputs": dict(zip(features, row["in"].tolist(), strict=True)),
        "q_abs": float(row["q_abs"]),
        "fault": bool(row["fault"]),
        "semantic": bool(row["semantic"]),
        "source": Source(row["source"]).name.lower(),
        "reason": Reason(row["reason"]).name.lower(),
    }
