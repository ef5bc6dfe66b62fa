"""How many rows had which mask, source and fate."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.errors import ArrayError
from zeroproof_ros.monitor.histogram import QHistogram

# What is looked at of a row of a result table, and its type there.
COUNTED: dict[str, type[np.generic]] = {
    "bottom": np.uint8,
    "gap": np.uint8,
    "fault": np.uint8,
    "source": np.uint8,
    "reason": np.uint8,
    "q_abs": np.float64,
}


@dataclass(frozen=True)
class RowCounts:
    """Counts of rows; those of two batches add up to those of both.

    Attributes:
        rows: how many.
        bottom, gap, fault: how many of them have the mask.
        sources, reasons: how many have each code, in the order of `Source` and `Reason`.
        q_abs: their |Q|.
    """

    rows: int = 0
    bottom: int = 0
    gap: int = 0
    fault: int = 0
    sources: tuple[int, ...] = (0,) * len(Source)
    reasons: tuple[int, ...] = (0,) * len(Reason)
    q_abs: QHistogram = field(default_factory=QHistogram)

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            self.rows + other.rows,
            self.bottom + other.bottom,
            self.gap + other.gap,
            self.fault + other.fault,
            tuple(a + b for a, b in zip(self.sources, other.sources, strict=True)),
            tuple(a + b for a, b in zip(self.reasons, other.reasons, strict=True)),
            self.q_abs + other.q_abs,
        )

    @property
    def covered(self) -> int:
        """Rows that are neither bottom nor gap."""
        return self.rows - self.bottom - self.gap

    @property
    def fallback(self) -> int:
        """Rows that the solver served."""
        return self.sources[Source.ANALYTIC]

    @property
    def served(self) -> int:
        """Rows that model or solver served."""
        return sum(self.sources) - self.sources[Source.NONE]


def count_rows(rows: NDArray[Any]) -> RowCounts:
    """Count a structured array (N,) with the fields `COUNTED`, as in a result table.

    Raises:
        ArrayError: a row that no result has: bottom and gap at once, or a code nobody knows.
    """
    both = rows["bottom"].astype(bool) & rows["gap"].astype(bool)
    if both.any():
        raise ArrayError(
            f"{np.count_nonzero(both)} of {len(rows)} rows are bottom and gap, expected one or none"
        )
    bottom, gap, fault = (int(np.count_nonzero(rows[mask])) for mask in ("bottom", "gap", "fault"))
    return RowCounts(
        len(rows),
        bottom,
        gap,
        fault,
        _count_codes(rows, "source", Source),
        _count_codes(rows, "reason", Reason),
        QHistogram.of(rows["q_abs"]),
    )


def _count_codes(rows: NDArray[Any], name: str, codes: type[IntEnum]) -> tuple[int, ...]:
    counts = np.bincount(rows[name], minlength=len(codes)).tolist()
    if len(counts) > len(codes):
        raise ArrayError(
            f"a row has the {name} {len(counts) - 1}, expected 0 to {len(codes) - 1}",
            found=len(counts) - 1,
            expected=len(codes) - 1,
        )
    return tuple(counts)
