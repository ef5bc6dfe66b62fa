"""An evaluation against the results that were recorded beside its targets."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2

from zeroproof_ros.bags.agreement import PLACE, differences
from zeroproof_ros.bags.cdr import from_cdr, type_name
from zeroproof_ros.bags.evaluation import Evaluation
from zeroproof_ros.bags.reading import Recording
from zeroproof_ros.contract import Reason
from zeroproof_ros.errors import BagError
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.messages.targets import NANOSECONDS
from zeroproof_ros.report.gates import Gate

# So many rows that differ are told; all are counted.
TOLD = 50


@dataclass(frozen=True)
class Against:
    """How an evaluation compares with recorded results.

    Attributes:
        recorded: rows in the recorded results.
        compared: those that answer a target of the recording.
        differing: of these, rows that differ in any column.
        by_column: how many differ in which column.
        unmatched: recorded rows that answer no target of the recording.
        before: recorded before the first target was, so that theirs may be missing.
        stale: rows that were stale when they were recorded and are not by their stamps: how long
            they had waited is not recorded.
        unreadable: recorded messages that are no results of these columns.
        problems: why recorded results may be missing; empty if all could be read.
        unanswered: rows here without a recorded result, such as targets that a newer one replaced.
        first: the first rows that differ: bag, message, row, and of each column that differs what
            is found here, and what was recorded.
    """

    recorded: int
    compared: int
    differing: int
    by_column: Mapping[str, int]
    unmatched: int
    before: int
    stale: int
    unreadable: int
    problems: tuple[str, ...]
    unanswered: int
    first: tuple[Mapping[str, Any], ...]

    @property
    def gate(self) -> Gate:
        """No row differs, every recorded one was compared, and there was one."""
        wrong = self.differing + self.unmatched + self.unreadable
        why = (
            f"of {self.recorded} recorded rows {self.compared} were compared, {self.differing} "
            f"differ; {self.unmatched} answer no target of the recording; {self.unreadable} "
            "messages are no results of these columns"
        )
        return Gate("against", "0 rows differ", wrong, not wrong and self.compared > 0, why)


def against_recorded(evaluation: Evaluation, name: str, tolerance: float) -> Against:
    """Compare the rows of an evaluation with those recorded.

    A recorded result answers the target with its stamp and its inputs, to the bit; one of a target
    without a stamp, by the inputs alone. The first that is not taken yet is meant.

    Args:
        evaluation: of recordings that hold results too.
        name: their topic; without a leading slash, beside the topic of the targets.
        tolerance: see `agreement.differences`.

    Raises:
        BagError: a recording without such results.
    """
    found = _Found()
    for index, facts in enumerate(evaluation.bags):
        rows = np.flatnonzero(evaluation.origin["bag"] == index)
        with Recording(facts.path) as recording:
            topic = result_topic(recording, facts.topic, name)
            unread = _Targets(evaluation, rows)
            for message in recording.messages(topic):
                found.add(message.data, unread, evaluation, before=message.time_ns < facts.first_ns)
            found.problems += (f"{facts.path}: {problem}" for problem in recording.problems)
    return found.compared_with(evaluation, tolerance)


def result_topic(recording: Recording, target_topic: str, name: str) -> str:
    """The topic of recorded results, see `against_recorded`.

    Raises:
        BagError: it is not there, or of another type.
    """
    topic = name if name.startswith("/") else f"{target_topic.rpartition('/')[0]}/{name}"
    kind, expected = recording.topics.get(topic), type_name(PointCloud2)
    if kind != expected:
        raise BagError(
            f"{recording.path} has no results {topic} ({expected}) to compare with; "
            f"{recording.contents}",
            found=kind,
            expected=expected,
            path=recording.path,
        )
    return topic


class _Targets:
    """The answered targets of one recording that no recorded result has claimed yet."""

    def __init__(self, evaluation: Evaluation, rows: NDArray[Any]) -> None:
        self._waiting: dict[tuple[int, bytes], deque[NDArray[Any]]] = defaultdict(deque)
        if len(rows):
            message = evaluation.origin["message"][rows]
            inputs, stamps = evaluation.rows["in"], evaluation.origin["stamp_ns"]
            for part in np.split(rows, np.flatnonzero(np.diff(message)) + 1):
                self._waiting[int(stamps[part[0]]), inputs[part].tobytes()].append(part)

    def claim(self, stamp_ns: int, inputs: bytes) -> NDArray[Any] | None:
        """The rows that answer a target, None where there is none."""
        for key in ((stamp_ns, inputs), (0, inputs)):
            if self._waiting.get(key):
                return self._waiting[key].popleft()
        return None


@dataclass
class _Found:
    """Recorded rows and those that answer the same targets."""

    recorded: int = 0
    unmatched: int = 0
    before: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)
    _theirs: list[NDArray[Any]] = field(default_factory=list)
    _ours: list[NDArray[Any]] = field(default_factory=list)

    def add(self, data: bytes, targets: _Targets, evaluation: Evaluation, *, before: bool) -> None:
        """Find what a recorded result answers."""
        try:
            message = from_cdr(data, type_name(PointCloud2))
            table = result_from_msg(message)
            stamp = message.header.stamp
        except Exception:  # noqa: BLE001 -- whatever damaged bytes lead to
            self.unreadable += 1
            return
        if table.layout != evaluation.ik.layout:
            self.unreadable += 1
            return
        self.recorded += len(table)
        stamp_ns = stamp.sec * NANOSECONDS + stamp.nanosec
        ours = targets.claim(stamp_ns, np.ascontiguousarray(table["in"]).tobytes())
        if ours is not None:
            self._ours.append(ours)
            self._theirs.append(table.rows)
        elif before:
            self.before += len(table)
        else:
            self.unmatched += len(table)

    def compared_with(self, evaluation: Evaluation, tolerance: float) -> Against:
        """The rows that were found, held against each other."""
        none = np.zeros(0, dtype=evaluation.ik.layout.dtype)
        which = np.concatenate([np.zeros(0, dtype=np.intp), *self._ours])
        ours, theirs = evaluation.rows[which], np.concatenate([none, *self._theirs])
        stale = (theirs["reason"] == Reason.STALE) & (ours["reason"] != Reason.STALE)
        which, ours, theirs = which[~stale], ours[~stale], theirs[~stale]
        by_column = differences(ours, theirs, tolerance)
        differ = np.logical_or.reduce(list(by_column.values()))
        first = [
            {
                **{name: int(evaluation.origin[name][which[i]]) for name in PLACE},
                "columns": {
                    column: {
                        "here": ours[column][i].tolist(),
                        "recorded": theirs[column][i].tolist(),
                    }
                    for column, rows in by_column.items()
                    if rows[i]
                },
            }
            for i in np.flatnonzero(differ)[:TOLD]
        ]
        return Against(
            recorded=self.recorded,
            compared=len(which),
            differing=int(np.count_nonzero(differ)),
            by_column={name: int(np.count_nonzero(rows)) for name, rows in by_column.items()},
            unmatched=self.unmatched,
            before=self.before,
            stale=int(np.count_nonzero(stale)),
            unreadable=self.unreadable,
            problems=tuple(self.problems),
            unanswered=len(evaluation.rows) - len(which) - int(np.count_nonzero(stale)),
            first=tuple(first),
        )
