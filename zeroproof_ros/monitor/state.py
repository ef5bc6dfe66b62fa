"""The state of a monitor as a document: the last batches, and the file."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.contract import Source
from zeroproof_ros.errors import StateFileError
from zeroproof_ros.monitor.events import event_line

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
        """
        q_abs = rows["q_abs"][~np.isnan(rows["q_abs"])]
        line = {"stamp_ns": stamp_ns, "rows": len(rows)}
        for mask in ("bottom", "gap", "fault"):
            line[mask] = int(np.count_nonzero(rows[mask]))
        served = np.bincount(rows["source"], minlength=len(Source))
        line |= {source.name.lower(): int(served[source]) for source in Source}
        self._lines.append({**line, "q_abs_min": float(q_abs.min()) if q_abs.size else None})

    def clear(self) -> None:
        """Forget all."""
        self._lines.clear()

    def lines(self) -> list[dict[str, Any]]:
        """What is remembered, oldest first."""
        return list(self._lines)


def write_state(path: str | os.PathLike[str], state: Mapping[str, object]) -> None:
    """Write a state in place of the last one; a reader never finds half of it.

    Raises:
        StateFileError: the file can not be written; the last one stays.
    """
    path = Path(path)
    staging = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with staging.open("w", encoding="utf-8") as file:
            file.write(event_line(state) + "\n")
            file.flush()
            os.fsync(file.fileno())
        staging.replace(path)
    except OSError as error:
        raise StateFileError(f"state file {path} can not be written: {error}", path=path) from error
