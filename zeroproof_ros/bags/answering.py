"""One recording answered by one bundle, as the node would have answered it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bags.cdr import from_cdr, type_name
from zeroproof_ros.bags.reading import Recorded, Recording
from zeroproof_ros.bags.writing import BagFile
from zeroproof_ros.errors import BagError, MessageRefusedError
from zeroproof_ros.messages.commands import command_to_msg
from zeroproof_ros.messages.results import result_to_msg
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.messages.targets import NANOSECONDS, TARGET_TYPES, Target, read_target
from zeroproof_ros.pipeline import (
    Freshness,
    Reason,
    ResultTable,
    StrictIK,
    judge_freshness,
)

# Targets are answered when so many rows have come together, or so many targets.
ROWS_AT_ONCE = 65536
TARGETS_AT_ONCE = 4096
# So many refused messages are told with their reason; all are counted.
REFUSALS_TOLD = 20

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
# First time [ns] that a ROS stamp can not hold; nor can it hold one before 1970.
TIMES_END = (1 << 31) * NANOSECONDS

# The types of targets, by the names that bags give to their messages.
TYPE_NAMES = {type_name(message): target for target, (message, _) in TARGET_TYPES.items()}


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


def target_topic(recording: Recording, wanted: str | None) -> str:
    """The topic with the targets: the one that is wanted, or the only one called `target`.

    Raises:
        BagError: no such topic, several, or one of another type.
    """
    known = {topic: kind for topic, kind in recording.topics.items() if kind in TYPE_NAMES}
    found = [wanted] if wanted else [t for t in known if t.rpartition("/")[2] == "target"]
    if len(found) != 1:
        raise BagError(
            f"{recording.path} has {len(found) or 'no'} topics called target with targets in "
            f"them; name one with --topic; {recording.contents}",
            found=found,
            path=recording.path,
        )
    (topic,) = found
    if topic not in known:
        what = f"of type {recording.topics[topic]}" if topic in recording.topics else "not there"
        raise BagError(
            f"{recording.path}: topic {topic} is {what}, expected one of {', '.join(TYPE_NAMES)}; "
            f"{recording.contents}",
            found=recording.topics.get(topic),
            expected=tuple(TYPE_NAMES),
            path=recording.path,
        )
    return topic


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
        reader = _Reader(ik, TYPE_NAMES[recording.topics[topic]], serving.target_timeout)
        for message in recording.messages(topic):
            read = reader.read(message)
            if read is not None:
                answers.add(*read)
            if reader.messages % TARGETS_AT_ONCE == 0:
                progress(reader.messages, recording.counts[topic], answers.rows)
        answers.flush()
        progress(reader.messages, recording.counts[topic], answers.rows)
        facts = BagFacts(
            path=str(path),
            topic=topic,
            target_type=reader.target_type,
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


class _Reader:
    """Reads targets and judges their age; counts what is odd about them."""

    def __init__(self, ik: StrictIK, target_type: str, timeout: float) -> None:
        self.target_type = target_type
        self.messages = self.stamps_unknown = self.stamps_future = self.out_of_order = 0
        self.first_ns = self.last_ns = 0
        self.refused: Counter[str] = Counter()
        self.refusals: list[str] = []
        self._deployment, self._timeout = ik.deployment, timeout
        self._name = type_name(TARGET_TYPES[target_type][0])
        self._last_stamp_ns = -TIMES_END

    def read(self, recorded: Recorded) -> tuple[Recorded, int, Target, Freshness] | None:
        """The message with its index, as a target; None where it is refused."""
        index, self.messages = self.messages, self.messages + 1
        if not 0 <= recorded.time_ns < TIMES_END:
            why = f"it was recorded at {recorded.time_ns} ns, expected 0 to {TIMES_END - 1}"
            self._refuse(index, "recorded_time", why)
            return None
        self.first_ns = self.first_ns or recorded.time_ns
        self.last_ns = recorded.time_ns
        try:
            message = from_cdr(recorded.data, self._name)
        except Exception as error:  # noqa: BLE001 -- whatever damaged bytes lead to
            self._refuse(index, "undecodable", f"its bytes are no {self._name}: {error}")
            return None
        try:
            target = read_target(
                message, self.target_type, self._deployment, arrival_ns=recorded.time_ns
            )
        except MessageRefusedError as error:
            self._refuse(index, error.kind, str(error))
            return None
        freshness = judge_freshness(
            stamp_ns=target.stamp_ns,
            now_ns=recorded.time_ns,
            arrival_age_ns=0,
            timeout=self._timeout,
        )
        self.stamps_unknown += freshness.stamp_age is None
        self.stamps_future += freshness.future
        if target.stamp_ns:
            self.out_of_order += target.stamp_ns < self._last_stamp_ns
            self._last_stamp_ns = target.stamp_ns
        return recorded, index, target, freshness

    def _refuse(self, index: int, kind: str, why: str) -> None:
        self.refused[kind] += 1
        if len(self.refusals) < REFUSALS_TOLD:
            self.refusals.append(f"message {index}: {why}")


class _Answers:
    """Answers targets, several at once, and writes what the node would have published."""

    def __init__(self, ik: StrictIK, bag: BagFile, namespace: str, command_type: str) -> None:
        self._ik, self._bag = ik, bag
        self._result, self._command = f"{namespace}/result", f"{namespace}/command"
        self._command_type = command_type
        self._waiting: list[tuple[Recorded, int, Target, Freshness]] = []
        self._waiting_rows = 0
        self.rows = 0
        self._tables: list[NDArray[Any]] = []
        self._origins: list[NDArray[Any]] = []

    def add(self, recorded: Recorded, index: int, target: Target, freshness: Freshness) -> None:
        """Answer a target, now or together with some that come after it."""
        self._waiting.append((recorded, index, target, freshness))
        self._waiting_rows += len(target.rows)
        if self._waiting_rows >= ROWS_AT_ONCE or len(self._waiting) >= TARGETS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Answer what waits."""
        if not self._waiting:
            return
        fresh = [target.rows for _, _, target, freshness in self._waiting if not freshness.stale]
        answered = iter(self._ik.solve_each(fresh) if fresh else [])
        tables = []
        for recorded, _, target, freshness in self._waiting:
            stale = freshness.stale
            table = self._ik.refuse(target.rows, Reason.STALE) if stale else next(answered)
            self._write(recorded, target, table)
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
            "message": [index for _, index, _, _ in self._waiting],
            "recorded_ns": [recorded.time_ns for recorded, _, _, _ in self._waiting],
            "stamp_ns": [target.stamp_ns for _, _, target, _ in self._waiting],
        }
        for name, values in columns.items():
            origin[name] = np.repeat(np.array(values, dtype=ORIGIN[name]), lengths)
        return origin

    def _write(self, recorded: Recorded, target: Target, table: ResultTable) -> None:
        result = result_to_msg(table, target.header)
        self._bag.write(self._result, result, recorded.time_ns)
        command, _ = command_to_msg(self._ik, table, self._command_type, target.header)
        if command is not None:
            self._bag.write(self._command, command, recorded.time_ns)
