"""Published rates, counted again from the rows that were recorded."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bags.cdr import from_cdr
from zeroproof_ros.bags.reading import Recording
from zeroproof_ros.errors import ArrayError, BagError, MessageRefusedError
from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.monitor import Rates, RowCounts, count_rows
from zeroproof_ros.monitor.counts import COUNTED

RESULT_TYPE, RATES_TYPE = "sensor_msgs/msg/PointCloud2", "std_msgs/msg/Float64MultiArray"
# Results and rates come from two processes. So many results the monitor has still to read at most:
# what it keeps, and what its publisher keeps for it.
RESULTS_BEHIND = 100 + 10
# One that it has read already may take so long [ns] to be recorded too.
RECORDED_LATE_NS = 1_000_000
# The only column that no row tells.
NOT_OF_THE_ROWS = "rows_per_second"


@dataclass(frozen=True)
class Recount:
    """What came of counting again.

    Attributes:
        rows: how many rows were recorded.
        checked: how many published rates were compared with them.
        differences: index among the rates, and what is different, of those that are not exactly
            what the rows give.
        problems: why messages may be missing; empty for a whole recording.
    """

    rows: int
    checked: int
    differences: tuple[tuple[int, str], ...]
    problems: tuple[str, ...]


def recount(path: Path | str) -> Recount:
    """Compare every `~/rates` of a recording with the rows of the `~/result` before it.

    Every span is the rates of the last rows before it, as many as its own `rows` says; since the
    monitor counts without a gap, "all" begins at the same row until its `rows` falls, which is a
    reset. All columns have to be equal, bit for bit, but for `rows_per_second`.

    Raises:
        BagError: nothing can be read, the topics are not there, or hold no rates.
    """
    with Recording(path) as recording:
        topic = _topic(recording, "rates", RATES_TYPE)
        rows, ends, times = _recorded_rows(recording)
        check = _Check(rows, ends)
        for message in recording.messages(topic):
            try:
                spans = rates_from_msg(from_cdr(message.data, RATES_TYPE))
            except Exception as error:  # other arrays, or other columns, fail in many ways
                raise BagError(
                    f"{path}: message {check.checked} of {topic} holds no rates of this version: "
                    f"{error!r}",
                    path=Path(path),
                ) from error
            check.compare(spans, bisect_right(times, message.time_ns + RECORDED_LATE_NS))
        problems = tuple(recording.problems)
    return Recount(len(rows), check.checked, tuple(check.differences), problems)


class _Check:
    """Compares rates with rows.

    Args:
        rows: (N,) all rows, in recorded order.
        ends: how many rows there were before the first result, and after each.
    """

    def __init__(self, rows: NDArray[Any], ends: Sequence[int]) -> None:
        self._rows, self._ends = rows, ends
        self.checked = 0
        self.differences: list[tuple[int, str]] = []
        # where "all" may begin; None where it begins anew
        self._starts: set[int] | None = None
        self._before = 0
        self._cached = (0, 0, RowCounts())

    def compare(self, spans: Mapping[str, Rates], results: int) -> None:
        """Compare rates that were recorded after so many results."""
        index, self.checked = self.checked, self.checked + 1
        total = int(spans["all"].rows)
        if total < self._before:
            self._starts = None
        self._before = total
        ends = self._ends[max(0, results - RESULTS_BEHIND) : results + 1]
        starts = {end - total for end in ends if end >= total}
        if self._starts is not None:
            starts &= self._starts
        found = {start: self._difference(spans, start, start + total) for start in starts}
        same = {start for start, difference in found.items() if not difference}
        if same:
            self._starts = same
            return
        counted = f"it counts {total} rows, which do not end within those recorded before it"
        self.differences.append((index, found[max(found)] if found else counted))

    def _difference(self, spans: Mapping[str, Rates], start: int, end: int) -> str:
        """What is not as the rows up to `end` give it, "" where all is."""
        for span, published in spans.items():
            first = start if span == "all" else end - int(published.rows)
            if first < 0:
                return f"{span}.rows is {published.rows:g}, {end} were recorded before"
            ours = Rates.of(self._count(first, end), math.nan).to_dict()
            for name, value in published.to_dict().items():
                if name != NOT_OF_THE_ROWS and not _equal(value, ours[name]):
                    return f"{span}.{name} is {value!r}, the rows give {ours[name]!r}"
        return ""

    def _count(self, start: int, end: int) -> RowCounts:
        """The counts of some rows; those of "all" go on from where they were."""
        first, last, counts = self._cached
        if first == start and last <= end:
            counts += count_rows(self._rows[last:end])
            self._cached = (start, end, counts)
            return counts
        counts = count_rows(self._rows[start:end])
        if start == 0:
            self._cached = (start, end, counts)
        return counts


def _recorded_rows(recording: Recording) -> tuple[NDArray[Any], list[int], list[int]]:
    """What is counted of all rows, how many there are after each result, and its time [ns]."""
    dtype = np.dtype(list(COUNTED.items()))
    parts, ends, times = [np.zeros(0, dtype)], [0], []
    for message in recording.messages(_topic(recording, "result", RESULT_TYPE)):
        rows = parts[0]
        # what is no result, the monitor has not counted either
        with suppress(MessageRefusedError, ArrayError):
            table = result_from_msg(from_cdr(message.data, RESULT_TYPE))
            count_rows(table.rows)
            rows = np.zeros(len(table), dtype)
            for name in COUNTED:
                rows[name] = table[name]
        parts.append(rows)
        ends.append(ends[-1] + len(rows))
        times.append(message.time_ns)
    return np.concatenate(parts), ends, times


def _topic(recording: Recording, name: str, kind: str) -> str:
    """The only topic with this name and type."""
    found = [
        topic
        for topic, its_kind in recording.topics.items()
        if topic.rpartition("/")[2] == name and its_kind == kind
    ]
    if len(found) != 1:
        raise BagError(
            f"{recording.path} has {len(found) or 'no'} topics called {name} of type {kind}, "
            f"expected one; its topics are {', '.join(sorted(recording.topics)) or 'none'}",
            found=found,
            path=recording.path,
        )
    return found[0]


def _equal(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
