"""Plays recorded targets to a running strict_ik_node, by the clock of the recording."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain

from zeroproof_ros.bags import BagFile, Recorded, Recording
from zeroproof_ros.bags.cdr import from_cdr
from zeroproof_ros.bags.pace import Pace
from zeroproof_ros.bags.tally import Tally
from zeroproof_ros.bags.targets import TYPE_NAMES
from zeroproof_ros.errors import MessageRefusedError, ReplayError
from zeroproof_ros.messages.targets import TARGET_TYPES, read_target
from zeroproof_ros.nodes.replay_link import Link, Stopped

# How long a target may take to be answered, and the last things to be said [s].
ANSWER_SECONDS, LAST_SECONDS = 5.0, 2.0
# Nothing says that a target was refused, nor that no command follows the last result [s].
REFUSED_SECONDS = COMMAND_SECONDS = 0.2


class Replay:
    """One replay; a context manager.

    Args:
        recording: what is played, open.
        topic: the one with the targets.
        node_name: who they are played to, with its namespace.
        rate: recorded seconds per second; with 0 each target waits for the answer to the last.
        bag: what goes out and comes back is written there, None for nowhere.
        monitor: whether `monitor_node` in the namespace of the node has to be there too.

    Attributes:
        tally: what went out and came back.
        stopped: why it ended before the recording did, "" where it did not.
    """

    def __init__(
        self,
        recording: Recording,
        topic: str,
        *,
        node_name: str,
        rate: float,
        bag: BagFile | None,
        monitor: bool,
    ) -> None:
        self._recording, self._topic, self._rate = recording, topic, rate
        self._type_name = recording.topics[topic]
        self._target_type = TYPE_NAMES[self._type_name]
        target = TARGET_TYPES[self._target_type][0]
        self.tally = Tally(has_header=hasattr(target, "header"))
        self.stopped = ""
        self._with_rates = bag is not None
        self._link = Link(node_name, target, self.tally, bag, monitor=monitor)

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def run(self, progress: Callable[[int], None]) -> None:
        """Play all targets; `progress` is called with how many were.

        Raises:
            ReplayError: there are none, or the node is not ready in time.
        """
        messages = self._recording.messages(self._topic)
        first = next(messages, None)
        if first is None:
            raise ReplayError(
                f"{self._recording.path} has no target on {self._topic} that can be read: "
                f"{'; '.join(self._recording.problems) or 'the topic is empty'}",
                path=self._recording.path,
            )
        self._pace = Pace(first.time_ns, self._rate)
        try:
            self._link.connect(lambda: self._pace.tick(time.monotonic()))
            self._pace.begin(time.monotonic())
            for index, recorded in enumerate(chain([first], messages)):
                self._play(index, recorded)
                progress(index + 1)
            self._await_last()
        except Stopped as stopped:
            self.stopped = str(stopped)

    def _play(self, index: int, recorded: Recorded) -> None:
        while (left := self._pace.wait(recorded.time_ns, time.monotonic())) > 0:
            self._link.spin_until(lambda: False, left)
        self._pace.play()
        self._link.publish_clock()
        self._link.publish_target(recorded.data)
        self.tally.published += 1
        waiting = self.tally.waiting
        if self._ask(index, recorded):
            if not self._rate and not self._answered(waiting):
                self._look_after_peer()
        elif not self._rate:
            self._link.spin_until(lambda: False, REFUSED_SECONDS)

    def _ask(self, index: int, recorded: Recorded) -> bool:
        """Take down what was asked; whether the node has to answer it."""
        try:
            message = from_cdr(recorded.data, self._type_name)
        except Exception as error:  # noqa: BLE001 -- whatever damaged bytes lead to
            why = f"its bytes are no {self._type_name}: {error}"
            self.tally.refuse(index, "undecodable", why)
            return False
        try:
            target = read_target(
                message, self._target_type, self._link.form, arrival_ns=recorded.time_ns
            )
        except MessageRefusedError as error:
            self.tally.refuse(index, error.kind, str(error))
            return False
        self.tally.ask(index, target)
        return True

    def _answered(self, waiting: int) -> bool:
        """Whether soon no more targets than so many wait for an answer."""
        return self._link.spin_until(lambda: self.tally.waiting <= waiting, ANSWER_SECONDS)

    def _look_after_peer(self) -> None:
        """Go on only where the node is still active: else it answers none of the others either.

        Raises:
            Stopped: it is not.
        """
        peer = self._link.peer
        peer.forget_state()
        self._link.spin_until(lambda: not peer.missing(), ANSWER_SECONDS)
        if what := peer.missing():
            raise Stopped(f"a target was not answered, expected {what}")

    def _await_last(self) -> None:
        """Wait for the answers, the last command, and rates in which all rows are counted."""
        self._answered(0)
        self._link.spin_until(lambda: False, COMMAND_SECONDS)
        if self._with_rates and self._link.has_monitor():
            # the next ones may have been on their way
            enough = self._link.rates_seen + 2
            self._link.spin_until(lambda: self._link.rates_seen >= enough, LAST_SECONDS)
