"""How many rows had which mask, source and fate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RowCounts:
    """Counts of rows, and their smallest |Q| (inf where none is known)."""

    rows: int = 0
    bottom: int = 0
    gap: int = 0
    fault: int = 0
    served: int = 0
    fallback: int = 0
    q_abs_min: float = math.inf

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            self.rows + other.rows,
            self.bottom + other.bottom,
            self.gap + other.gap,
            self.fault + other.fault,
            self.served + other.served,
            self.fallback + other.fallback,
            min(self.q_abs_min, other.q_abs_min),
        )


def count_rows(rows: NDArray[Any], *, analytic: int) -> RowCounts:
    """Count a structured array with the fields bottom, gap, fault, source and q_abs.

    Args:
        rows: (N,) as in a result table.
        analytic: the code of the solver in `source`; 0 is nobody.
    """
    q_abs = rows["q_abs"][~np.isnan(rows["q_abs"])]
    return RowCounts(
        rows=len(rows),
        bottom=int(np.count_nonzero(rows["bottom"])),
        gap=int(np.count_nonzero(rows["gap"])),
        fault=int(np.count_nonzero(rows["fault"])),
        served=int(np.count_nonzero(rows["source"])),
        fallback=int(np.count_nonzero(rows["source"] == analytic)),
        q_abs_min=float(q_abs.min()) if q_abs.size else math.inf,
    )
