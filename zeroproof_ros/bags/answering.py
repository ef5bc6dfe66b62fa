"""One recording answered by one bundle, as the node would have answered it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bags.reading import Recording
from zeroproof_ros.bags.targets import (
    TYPE_NAMES,
    RecordedTarget,
    TargetReader,
    target_topic,
)
from zeroproof_ros.bags.writing import BagFile
from zeroproof_ros.messages.commands import command_to_msg
from zeroproof_ros.messages.results import result_to_msg
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.pipeline import (
    Reason,
    ResultTable,
    StrictIK,
)

# Targets are answered when so many rows have come together, or so many targets.
ROWS_AT_ONCE = 65536
TARGETS_AT_ONCE = 4096
# Called with messages read, messages there are, and rows answered.
Progress = Callable[[int, int, int], None]

# Where each row came from: the recording, the target in it, and the row of that, each from 0 on;
# when the target was recorded, and its stamp [ns], 0 for none.
ORIGIN = np.dtype(
    [
        ("bag", np.uint32),
        ("message", np.uint64),
        ("row", np.uint32),
        ("recorded_ns", np.int64),
        ("stamp_ns", np.int64),
    ]
)


@dataclass(frozen=True)
class BagFacts:
    """What is told of a recording beside its rows.

    Attributes:
        path: as it was given.
        topic, target_type: what was evaluated.
        messages: how many targets it holds.
        rows: how many rows they make; refused ones make none.
        refused: how many targets were refused, by kind.
        refusals: the first of them, in sentences.
        stamps_unknown, stamps_future: targets without a stamp, or with one that lies ahead.
        out_of_order: targets stamped before the one that was recorded before them.
        first_ns, last_ns: when the first and the last target were recorded, 0 if there is none.
        problems: why targets may be missing; empty for a whole recording.
    """

    path: str
    topic: str
    target_type: str
    messages: int
    rows: int
    refused: dict[str, int]
    refusals: tuple[str, ...]
    stamps_unknown: int
    stamps_future: int
    out_of_order: int
    first_ns: int
    last_ns: int
    problems: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class AnsweredBag:
    """A recording as it was answered.

    Attributes:
        facts: what is told of it.
        rows: (N,) result rows, in recorded order.
        origin: (N,) of `ORIGIN`, `bag` being 0: where each row came from.
    """

    facts: BagFacts
    rows: NDArray[Any]
    origin: NDArray[Any]


def answer_bag(
    path: Path | str,
    ik: StrictIK,
    out: BagFile,
    serving: Serving,
    *,
    topic: str | None = None,
    progress: Progress = lambda *_: None,
) -> AnsweredBag:
    """Answer every target of a recording, in recorded order and one message at a time.

    A target is stale where its stamp is older than the timeout at the time it was recorded.

    Args:
        path: the recording.
        ik: what answers, by the policy of `serving`.
        out: gets `result` and `command`, beside the topic of the targets, at their times.
        serving: how old a target may be, and what the commands are.
        topic: the targets; None for the only topic called target.
        progress: called with messages read, messages there are, and rows answered.

    Raises:
        BagError: nothing can be read, or there is no such topic.
    """
    with Recording(path) as recording:
        topic = target_topic(recording, topic)
        answers = _Answers(ik, out, topic.rpartition("/")[0], serving.command_type)
        target_type = TYPE_NAMES[recording.topics[topic]]
        reader = TargetReader(ik.deployment, target_type, serving.target_timeout)
        for message in recording.messages(topic):
            read = reader.read(message)
            if read is not None:
                answers.add(read)
            if reader.messages % TARGETS_AT_ONCE == 0:
                progress(reader.messages, recording.counts[topic], answers.rows)
        answers.flush()
        progress(reader.messages, recording.counts[topic], answers.rows)
        facts = BagFacts(
            path=str(path),
            topic=topic,
            target_type=target_type,
            messages=reader.messages,
            rows=answers.rows,
            refused=dict(sorted(reader.refused.items())),
            refusals=tuple(reader.refusals),
            stamps_unknown=reader.stamps_unknown,
            stamps_future=reader.stamps_future,
            out_of_order=reader.out_of_order,
            first_ns=reader.first_ns,
            last_ns=reader.last_ns,
            problems=tuple(recording.problems),
        )
    return AnsweredBag(facts, *answers.tables())


class _Answers:
    """Answers targets, several at once, and writes what the node would have published."""

    def __init__(self, ik: StrictIK, bag: BagFile, namespace: str, command_type: str) -> None:
        self._ik, self._bag = ik, bag
        self._result, self._command = f"{namespace}/result", f"{namespace}/command"
        self._command_type = command_type
        self._waiting: list[RecordedTarget] = []
        self._waiting_rows = 0
        self.rows = 0
        self._tables: list[NDArray[Any]] = []
        self._origins: list[NDArray[Any]] = []

    def add(self, asked: RecordedTarget) -> None:
        """Answer a target, now or together with some that come after it."""
        self._waiting.append(asked)
        self._waiting_rows += len(asked.target.rows)
        if self._waiting_rows >= ROWS_AT_ONCE or len(self._waiting) >= TARGETS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Answer what waits."""
        if not self._waiting:
            return
        fresh = [asked.target.rows for asked in self._waiting if not asked.stale]
        answered = iter(self._ik.solve_each(fresh) if fresh else [])
        tables = []
        for asked in self._waiting:
            rows = asked.target.rows
            table = self._ik.refuse(rows, Reason.STALE) if asked.stale else next(answered)
            self._write(asked, table)
            tables.append(table.rows)
        # numpy would compare the columns of each with those of the next
        joined = b"".join(rows.tobytes() for rows in tables)
        self._tables.append(np.frombuffer(joined, dtype=self._ik.layout.dtype))
        self._origins.append(self._origin([len(table) for table in tables]))
        self.rows += self._waiting_rows
        self._waiting.clear()
        self._waiting_rows = 0

    def tables(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """All rows and where they came from."""
        none = np.zeros(0, dtype=self._ik.layout.dtype), np.zeros(0, dtype=ORIGIN)
        return (
            np.concatenate([none[0], *self._tables]),
            np.concatenate([none[1], *self._origins]),
        )

    def _origin(self, lengths: list[int]) -> NDArray[Any]:
        origin = np.zeros(self._waiting_rows, dtype=ORIGIN)
        origin["row"] = np.concatenate([np.arange(length) for length in lengths])
        columns = {
            "message": [asked.index for asked in self._waiting],
            "recorded_ns": [asked.time_ns for asked in self._waiting],
            "stamp_ns": [asked.target.stamp_ns for asked in self._waiting],
        }
        for name, values in columns.items():
            origin[name] = np.repeat(np.array(values, dtype=ORIGIN[name]), lengths)
        return origin

    def _write(self, asked: RecordedTarget, table: ResultTable) -> None:
        header = asked.target.header
        self._bag.write(self._result, result_to_msg(table, header), asked.time_ns)
        command, _ = command_to_msg(self._ik, table, self._command_type, header)
        if command is not None:
            self._bag.write(self._command, command, asked.time_ns)
