"""Rows as a result table has them, made of what a monitor looks at."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.monitor.counts import COUNTED

# source, reason, bottom, gap, fault of rows as a pipeline makes them
KINDS = {
    "model": (Source.MODEL, Reason.OK, 0, 0, 0),
    "risky": (Source.MODEL, Reason.OK, 0, 1, 0),
    "bottom": (Source.ANALYTIC, Reason.BOTTOM, 1, 0, 0),
    "gap": (Source.ANALYTIC, Reason.GAP, 0, 1, 0),
    "residual": (Source.ANALYTIC, Reason.RESIDUAL, 0, 0, 0),
    "failed": (Source.NONE, Reason.FALLBACK_FAILED, 0, 0, 0),
    "bad": (Source.NONE, Reason.BAD_INPUT, 1, 0, 1),
    "stale": (Source.NONE, Reason.STALE, 1, 0, 1),
}


def rows_of(*kinds: str, q_abs: float = 0.5) -> np.ndarray[Any, Any]:
    """One row of each kind."""
    return table([(kind, q_abs) for kind in kinds])


def table(rows: list[tuple[str, float]]) -> np.ndarray[Any, Any]:
    """Rows by kind and |Q|."""
    made = np.zeros(len(rows), dtype=list(COUNTED.items()))
    for i, (kind, q_abs) in enumerate(rows):
        source, reason, bottom, gap, fault = KINDS[kind]
        made[i] = (bottom, gap, fault, source, reason, q_abs)
    return made


q_values = st.sampled_from([math.nan, math.inf, 0.0, 0.5, 1e-300, 1e300]) | st.floats(0, 10)
tables = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), q_values), max_size=20).map(table)
