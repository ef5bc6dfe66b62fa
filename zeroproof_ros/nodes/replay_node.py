"""Plays recorded targets to a running strict_ik_node, by the clock of the recording."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from itertools import chain
from typing import Any

import rclpy
import rclpy.utilities
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64MultiArray

from zeroproof_ros.bags import BagFile, Recorded, Recording
from zeroproof_ros.bags.cdr import from_cdr, type_name
from zeroproof_ros.bags.evaluation import TYPE_NAMES
from zeroproof_ros.bags.pace import Pace
from zeroproof_ros.bags.tally import Tally
from zeroproof_ros.errors import MessageRefusedError, ReplayError
from zeroproof_ros.messages.commands import COMMAND_TYPES
from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.messages.targets import NANOSECONDS, TARGET_TYPES, TargetFormat, read_target
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.clocks import every
from zeroproof_ros.nodes.recorder import Recorder
from zeroproof_ros.nodes.replay_peer import Peer
from zeroproof_ros.pipeline import TableLayout

# Between two messages /clock goes on in steps of this length [s] of the clock on the wall.
TICK = 0.01
# How long the node may take to be ready, to answer a target, and to say the last things [s].
READY_SECONDS, ANSWER_SECONDS, LAST_SECONDS = 20.0, 5.0, 2.0
# A target that the node refuses is unread for at most so long [s].
REFUSED_SECONDS = 0.1
# A command comes right after its result.
COMMAND_SECONDS = 0.2


class _Stopped(Exception):  # noqa: N818 -- no error: it ends a replay
    """Why a replay ends before its recording does."""


class Replay:
    """One replay; a context manager.

    Args:
        recording: what is played, open.
        topic: the one with the targets.
        node_name: who they are played to, with its namespace.
        rate: recorded seconds per second; with 0 each target waits for the answer to the last.
        bag: what goes out and comes back is written there, None for nowhere.

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
    ) -> None:
        self._recording, self._topic, self._rate, self._bag = recording, topic, rate, bag
        self._target_type = TYPE_NAMES[recording.topics[topic]]
        self._message = TARGET_TYPES[self._target_type][0]
        self.tally = Tally(has_header=hasattr(self._message, "header"))
        self.stopped = ""
        self._signalled = False
        self._form: TargetFormat | None = None
        self._heard_ns = -1
        self._rates_seen = 0
        rclpy.init(
            args=["--ros-args", "--log-level", "warn"],
            signal_handler_options=SignalHandlerOptions.NO,
        )
        # what is under way has to be ended and told first
        self._handlers = {
            each: signal.signal(each, self._on_signal) for each in (signal.SIGINT, signal.SIGTERM)
        }
        self._node = Node("replay")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._peer = Peer(self._node, node_name, recording.topics[topic])

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.utilities.try_shutdown()
        for each, handler in self._handlers.items():
            signal.signal(each, handler)

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
        try:
            self._prepare(first.time_ns)
            self._pace.begin(time.monotonic())
            for index, recorded in enumerate(chain([first], messages)):
                self._play(index, recorded)
                progress(index + 1)
            self._await_last()
        except _Stopped as stopped:
            self.stopped = str(stopped)

    # Before the first target

    def _prepare(self, start_ns: int) -> None:
        self._pace = Pace(start_ns, self._rate)
        self._await_ready(self._peer.missing)
        self._await_ready(lambda: "" if self._peer.command_type() else "its publisher of commands")
        self._clock = self._node.create_publisher(Clock, "/clock", qos.output())
        self._targets = self._node.create_publisher(
            self._message, f"{self._peer.name}/target", qos.reliable(100)
        )
        recorder = Recorder(self._node, self._bag, lambda _: self._pace.now_ns)
        self._record(recorder)
        self._node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.reliable(100)
        )
        every(self._node, TICK, self._on_tick)
        self._await_ready(self._unconnected)

    def _record(self, recorder: Recorder) -> None:
        name, namespace = self._peer.name, self._peer.name.rpartition("/")[0]
        commands = {type_name(each.message): each.message for each in COMMAND_TYPES.values()}
        deep = qos.reliable(1000)
        self._result = recorder.record(PointCloud2, f"{name}/result", deep, self._on_result)
        self._command = recorder.record(
            commands[self._peer.command_type()], f"{name}/command", deep, self._on_command
        )
        self._rates = recorder.record(
            Float64MultiArray, f"{namespace}/monitor_node/rates", deep, self._on_rates
        )
        # The last one: endpoints are announced in the order in which they are made, so whoever
        # sends us this latched message knows of the others too.
        recorder.record(DiagnosticStatus, f"{name}/info", qos.latched(), self._on_info)

    def _unconnected(self) -> str:
        """What is not connected yet, "" for nothing."""
        name = self._peer.name
        connections = (
            (self._targets.get_subscription_count(), f"{name}/target to be subscribed to"),
            (self._clock.get_subscription_count(), "/clock to be subscribed to"),
            (self._result.get_publisher_count(), f"{name}/result to be published"),
            (self._command.get_publisher_count(), f"{name}/command to be published"),
            (self._form, f"{name}/info to say which columns a target has"),
            (
                self._heard_ns == self._pace.now_ns,
                f"{name} to say on /diagnostics that /clock has reached it",
            ),
        )
        return next((what for there, what in connections if not there), "")

    def _await_ready(self, missing: Callable[[], str]) -> None:
        end = time.monotonic() + READY_SECONDS
        while what := missing():
            if time.monotonic() > end:
                raise ReplayError(f"waited {READY_SECONDS:g} s in vain for {what}", found=what)
            self._spin(0.05)

    # Targets

    def _play(self, index: int, recorded: Recorded) -> None:
        while (left := self._pace.wait(recorded.time_ns, time.monotonic())) > 0:
            self._spin(left)
        if not self._targets.get_subscription_count():
            raise _Stopped(f"{self._peer.name} is gone")
        self._publish_clock(self._pace.play())
        name = type_name(self._message)
        try:
            message = from_cdr(recorded.data, name)
        except Exception as error:  # noqa: BLE001 -- whatever damaged bytes lead to
            # they are no message, and would end a node that takes them for one
            self.tally.refuse(index, "undecodable", f"its bytes are no {name}: {error}")
            return
        self._publish(recorded)
        form = self._form
        assert form is not None  # noqa: S101 -- nothing is played before it is known
        try:
            target = read_target(message, self._target_type, form, arrival_ns=self._pace.now_ns)
        except MessageRefusedError as error:
            self.tally.refuse(index, error.kind, str(error))
            if not self._rate:
                self._spin_until(lambda: False, REFUSED_SECONDS)
            return
        waiting = self.tally.waiting
        self.tally.ask(index, target)
        if not self._rate and not self._answered(waiting):
            # one that is inactive answers none of those that follow either
            self._peer.forget_state()
            try:
                self._await_ready(self._peer.missing)
            except ReplayError as error:
                raise _Stopped(str(error)) from error

    def _publish(self, recorded: Recorded) -> None:
        self.tally.published += 1
        self._targets.publish(recorded.data)
        if self._bag is not None:
            name = type_name(self._message)
            self._bag.write_data(
                f"{self._peer.name}/target", name, recorded.data, self._pace.now_ns
            )

    def _await_last(self) -> None:
        """Wait for the answers, the last command, and rates in which all rows are counted."""
        self._answered(0)
        self._spin_until(lambda: False, COMMAND_SECONDS)
        if self._bag is not None and self._rates.get_publisher_count():
            # the next ones may have been on their way
            enough = self._rates_seen + 2
            self._spin_until(lambda: self._rates_seen >= enough, LAST_SECONDS)

    def _answered(self, waiting: int) -> bool:
        """Whether soon no more targets than so many wait for an answer."""

        def enough() -> bool:
            if not self._targets.get_subscription_count():
                raise _Stopped(f"{self._peer.name} is gone")
            return self.tally.waiting <= waiting

        return self._spin_until(enough, ANSWER_SECONDS)

    # What comes back

    def _on_result(self, message: Any) -> None:
        stamp = message.header.stamp
        try:
            table = result_from_msg(message)
        except MessageRefusedError:
            self.tally.unasked += 1
            return
        self.tally.answer(table, stamp.sec * NANOSECONDS + stamp.nanosec)

    def _on_command(self, _: Any) -> None:
        self.tally.commands += 1

    def _on_rates(self, _: Any) -> None:
        self._rates_seen += 1

    def _on_info(self, message: Any) -> None:
        told = values_from_msg(message)
        if "columns" in told:
            layout = TableLayout.from_column_names(told["columns"].split(","))
            self._form = TargetFormat(layout.features, told["base_frame"])

    def _on_diagnostics(self, message: Any) -> None:
        name = f"{self._peer.name.rpartition('/')[2]}: inference"
        if any(status.name == name for status in message.status):
            stamp = message.header.stamp
            self._heard_ns = stamp.sec * NANOSECONDS + stamp.nanosec

    # Time

    def _on_tick(self) -> None:
        self._publish_clock(self._pace.tick(time.monotonic()))

    def _publish_clock(self, now_ns: int) -> None:
        sec, nanosec = divmod(now_ns, NANOSECONDS)
        self._clock.publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))

    def _spin_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not condition():
            if (left := end - time.monotonic()) <= 0:
                return False
            self._spin(left)
        return True

    def _spin(self, seconds: float) -> None:
        """Take in one message, if one comes within this time."""
        if self._signalled:
            raise _Stopped("interrupted")
        self._executor.spin_once(timeout_sec=seconds)

    def _on_signal(self, *_: object) -> None:
        self._signalled = True
