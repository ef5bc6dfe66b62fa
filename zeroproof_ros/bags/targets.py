"""The targets of a recording, as the node would read them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from zeroproof_ros.bags.cdr import from_cdr, type_name
from zeroproof_ros.bags.reading import Recorded, Recording
from zeroproof_ros.bundle import Deployment
from zeroproof_ros.errors import BagError, MessageRefusedError
from zeroproof_ros.messages.targets import NANOSECONDS, TARGET_TYPES, Target, read_target
from zeroproof_ros.pipeline import judge_freshness

# So many refused messages are told with their reason; all are counted.
REFUSALS_TOLD = 20
# First time [ns] that a ROS stamp can not hold; nor can it hold one before 1970.
TIMES_END = (1 << 31) * NANOSECONDS

# The types of targets, by the names that bags give to their messages.
TYPE_NAMES = {type_name(message): target for target, (message, _) in TARGET_TYPES.items()}


@dataclass(frozen=True, eq=False)
class RecordedTarget:
    """A target, its index in the recording, when it was recorded [ns], whether it is stale."""

    index: int
    time_ns: int
    target: Target
    stale: bool


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


class TargetReader:
    """Reads targets and judges their age; counts what is odd about them.

    Args:
        deployment: the columns and the frame of a target.
        target_type: of the messages.
        timeout: targets older than this are stale [s], 0 for no limit.

    Attributes:
        messages: how many were read.
        refused, refusals: see `BagFacts`, as what follows.
    """

    def __init__(self, deployment: Deployment, target_type: str, timeout: float) -> None:
        self.target_type = target_type
        self.messages = self.stamps_unknown = self.stamps_future = self.out_of_order = 0
        self.first_ns = self.last_ns = 0
        self.refused: Counter[str] = Counter()
        self.refusals: list[str] = []
        self._deployment, self._timeout = deployment, timeout
        self._name = type_name(TARGET_TYPES[target_type][0])
        self._last_stamp_ns = -TIMES_END

    def read(self, recorded: Recorded) -> RecordedTarget | None:
        """The message as a target; None where it is refused."""
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
        return RecordedTarget(index, recorded.time_ns, target, freshness.stale)

    def _refuse(self, index: int, kind: str, why: str) -> None:
        self.refused[kind] += 1
        if len(self.refusals) < REFUSALS_TOLD:
            self.refusals.append(f"message {index}: {why}")
