"""The state of a monitor as a document, and the file it is written to."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.errors import StateFileError
from zeroproof_ros.files import replacing
from zeroproof_ros.monitor.alerts import AlertReport
from zeroproof_ros.monitor.counts import RowCounts, count_rows
from zeroproof_ros.monitor.drift import DriftTest
from zeroproof_ros.monitor.events import event_line
from zeroproof_ros.monitor.histogram import EDGES, QHistogram
from zeroproof_ros.monitor.windows import Span

SCHEMA = {"schema_name": "zeroproof_ros_monitor_state", "schema_version": 1}

# How many batches are remembered one by one.
BATCHES = 100


class LastBatches:
    """A line on each of the last `BATCHES` result tables; its memory does not grow."""

    def __init__(self) -> None:
        self._lines: deque[dict[str, Any]] = deque(maxlen=BATCHES)

    def add(self, rows: NDArray[Any], stamp_ns: int) -> None:
        """Remember a table.

        Args:
            rows: (N,) structured, as in a result table.
            stamp_ns: of its target [ns].

        Raises:
            ArrayError: a row that no result has.
        """
        counts = count_rows(rows)
        self._lines.append(
            {"stamp_ns": stamp_ns, **_counts(counts), "q_abs_min": counts.q_abs.minimum}
        )

    def clear(self) -> None:
        """Forget all."""
        self._lines.clear()

    def lines(self) -> list[dict[str, Any]]:
        """What is remembered, oldest first."""
        return list(self._lines)


def monitor_state(
    spans: Mapping[str, Span],
    *,
    alerts: Iterable[AlertReport],
    drift: DriftTest,
    batches: LastBatches,
) -> dict[str, Any]:
    """All that a monitor knows: counts and rates of each span, |Q|, alerts, drift, last batches."""
    return {
        **SCHEMA,
        "spans": {
            name: {
                "seconds": span.seconds,
                "counts": _counts(span.counts),
                "rates": span.rates.to_dict(),
                "q_abs": _histogram(span.counts.q_abs),
            }
            for name, span in spans.items()
        },
        "alerts": [asdict(report) for report in alerts],
        "drift": {
            name: {
                key: getattr(stream, key)
                for key in ("raised", "evidence", "threshold", "p0", "p1", "rows", "hits")
            }
            for name, stream in drift.streams.items()
        },
        "batches": batches.lines(),
    }


def _counts(counts: RowCounts) -> dict[str, Any]:
    return {
        "rows": counts.rows,
        "bottom": counts.bottom,
        "gap": counts.gap,
        "fault": counts.fault,
        "sources": {source.name.lower(): counts.sources[source] for source in Source},
        "reasons": {reason.name.lower(): counts.reasons[reason] for reason in Reason},
    }


def _histogram(q_abs: QHistogram) -> dict[str, Any]:
    """The bins that are not empty as (from, to, rows); nothing is beyond the outer ones."""
    edges = [0.0, *EDGES.tolist(), None]
    return {
        "minimum": q_abs.minimum,
        "unknown": q_abs.unknown,
        "zero": q_abs.zero,
        "bins": [(edges[i], edges[i + 1], int(q_abs.bins[i])) for i in np.flatnonzero(q_abs.bins)],
    }


def write_state(path: str | os.PathLike[str], state: Mapping[str, object]) -> None:
    """Write a state in place of the last one; a reader never finds half of it.

    Raises:
        StateFileError: the file can not be written; the last one stays.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as staging, staging.open("w", encoding="utf-8") as file:
            file.write(event_line(state) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StateFileError(f"state file {path} can not be written: {error}", path=path) from error
