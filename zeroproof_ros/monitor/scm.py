"""The monitor of a model's coverage, by its masks alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zeroproof_ros.monitor.masks import count_masks, share


@dataclass
class SCMMonitor:
    """Coverage of everything seen, in which the gap does not count as covered."""

    bottom_count: int = field(default=0, init=False)
    gap_count: int = field(default=0, init=False)
    total_count: int = field(default=0, init=False)

    def update(self, bottom_mask: Any, gap_mask: Any) -> None:
        """Count the masks of a batch.

        Args:
            bottom_mask: (N,) or (N, K) bool.
            gap_mask: bool, of the shape of `bottom_mask`, or one per row; not counted where bottom.

        Raises:
            ArrayError: shapes or dtypes other than the above; then nothing is counted.
        """
        counts = count_masks(bottom_mask, gap_mask)
        self.bottom_count += counts.bottom
        self.gap_count += counts.gap
        self.total_count += counts.n

    def report(self) -> dict[str, float]:
        """`coverage` (1 - bottom - gap), `bottom_rate`, `gap_rate` and `total_predictions`.

        Predictions are the entries of the bottom masks. The rates are NaN before the first of them.
        """
        n = self.total_count
        return {
            "coverage": share(n - self.bottom_count - self.gap_count, n),
            "bottom_rate": share(self.bottom_count, n),
            "gap_rate": share(self.gap_count, n),
            "total_predictions": n,
        }
