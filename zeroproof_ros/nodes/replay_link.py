"""The topics between a replay and the node it plays to."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
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

from zeroproof_ros.bags import BagFile
from zeroproof_ros.bags.cdr import type_name
from zeroproof_ros.bags.tally import Tally
from zeroproof_ros.errors import MessageRefusedError, ReplayError
from zeroproof_ros.messages.commands import COMMAND_TYPES
from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.messages.targets import NANOSECONDS, TargetFormat
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.clocks import every
from zeroproof_ros.nodes.recorder import Recorder
from zeroproof_ros.nodes.replay_peer import Peer
from zeroproof_ros.pipeline import TableLayout

# How long the node may take to be there, active and connected [s].
READY_SECONDS = 20.0
# Between two messages /clock goes on in steps of this length [s] of the clock on the wall.
TICK = 0.01
# How often others are looked for [s].
LOOK_AROUND = 1.0


class Stopped(Exception):  # noqa: N818 -- no error: it ends a replay
    """Why a replay ends before its recording does."""


class Link:
    """Publishes targets and `/clock`, takes in what comes back; a context manager.

    Args:
        name: the node that is played to, with its namespace.
        target: the class of the targets.
        tally: what comes back is counted there.
        bag: what goes out and comes back is written there, None for nowhere.

    Attributes:
        peer: the node that is played to.
        form: what the node says a target has to fit, once it is connected.
        rates_seen: how many reports of a monitor have come.
    """

    form: TargetFormat

    def __init__(self, name: str, target: type, tally: Tally, bag: BagFile | None) -> None:
        self._target, self._tally, self._bag = target, tally, bag
        self._type_name = type_name(target)
        self.rates_seen = 0
        self._stop = ""
        self._heard_ns = -1
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
        self.peer = Peer(self._node, name, self._type_name)

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.utilities.try_shutdown()
        for each, handler in self._handlers.items():
            signal.signal(each, handler)

    def connect(self, now_ns: Callable[[], int]) -> None:
        """Start `/clock`, and wait until the node can be played to and has heard of it.

        Args:
            now_ns: recorded time, which stands still until this is done.

        Raises:
            ReplayError: something is missing, and does not come.
        """
        self._now_ns = now_ns
        self._await(self.peer.missing)
        self._clock = self._node.create_publisher(Clock, "/clock", qos.output())
        self._targets = self._node.create_publisher(
            self._target, f"{self.peer.name}/target", qos.reliable(100)
        )
        self._subscribe()
        every(self._node, TICK, self.publish_clock)
        self._await(self._unconnected)
        every(self._node, LOOK_AROUND, self._look_around)

    def publish_clock(self) -> None:
        """Tell recorded time."""
        sec, nanosec = divmod(self._now_ns(), NANOSECONDS)
        self._clock.publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))

    def publish_target(self, data: bytes) -> None:
        """Send a target as it was recorded."""
        self._targets.publish(data)
        if self._bag is not None:
            topic = f"{self.peer.name}/target"
            self._bag.write_data(topic, self._type_name, data, self._now_ns())

    def has_monitor(self) -> bool:
        """Whether a monitor reports on the node."""
        return bool(self._rates.get_publisher_count())

    def spin(self, seconds: float) -> None:
        """Take in one message, if one comes within this time.

        Raises:
            Stopped: a signal came, or somebody else asks the node too.
        """
        if self._stop:
            raise Stopped(self._stop)
        self._executor.spin_once(timeout_sec=seconds)

    def spin_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Take in what comes until a condition holds; whether it did within this time.

        Raises:
            Stopped: as `spin`, or the node is gone.
        """
        end = time.monotonic() + seconds
        while not condition():
            if not self._targets.get_subscription_count():
                raise Stopped(f"{self.peer.name} is gone")
            if (left := end - time.monotonic()) <= 0:
                return False
            self.spin(left)
        return True

    def _subscribe(self) -> None:
        name, deep = self.peer.name, qos.reliable(1000)
        namespace = name.rpartition("/")[0]
        commands = {type_name(each.message): each.message for each in COMMAND_TYPES.values()}
        recorder = Recorder(self._node, self._bag, lambda _: self._now_ns())
        self._node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.reliable(100)
        )
        self._result = recorder.record(PointCloud2, f"{name}/result", deep, self._on_result)
        self._command = recorder.record(
            commands[self.peer.command_type], f"{name}/command", deep, self._on_command
        )
        self._rates = recorder.record(
            Float64MultiArray, f"{namespace}/monitor_node/rates", deep, self._on_rates
        )
        # The last one: endpoints are announced in the order in which they are made, so whoever
        # sends us this latched message knows of the others too.
        recorder.record(DiagnosticStatus, f"{name}/info", qos.latched(), self._on_info)

    def _unconnected(self) -> str:
        """What is not connected yet, "" for nothing."""
        name = self.peer.name
        connections = (
            (self._targets.get_subscription_count(), f"{name}/target to be subscribed to"),
            (self._clock.get_subscription_count(), "/clock to be subscribed to"),
            (self._result.get_publisher_count(), f"{name}/result to be published"),
            (self._command.get_publisher_count(), f"{name}/command to be published"),
            (hasattr(self, "form"), f"{name}/info to say which columns a target has"),
            (
                self._heard_ns == self._now_ns(),
                f"{name} to say on /diagnostics that /clock has reached it",
            ),
        )
        return next((what for there, what in connections if not there), self.peer.rival())

    def _await(self, missing: Callable[[], str]) -> None:
        end = time.monotonic() + READY_SECONDS
        while what := missing():
            if time.monotonic() > end:
                raise ReplayError(f"waited {READY_SECONDS:g} s in vain for {what}", found=what)
            self.spin(0.05)

    def _on_result(self, message: Any) -> None:
        stamp = message.header.stamp
        try:
            table = result_from_msg(message)
        except MessageRefusedError:
            self._tally.unasked += 1
        else:
            self._tally.answer(table, stamp.sec * NANOSECONDS + stamp.nanosec)

    def _on_command(self, _: Any) -> None:
        self._tally.commands += 1

    def _on_rates(self, _: Any) -> None:
        self.rates_seen += 1

    def _on_info(self, message: Any) -> None:
        told = values_from_msg(message)
        if "columns" in told:
            layout = TableLayout.from_column_names(told["columns"].split(","))
            self.form = TargetFormat(layout.features, told["base_frame"])

    def _on_diagnostics(self, message: Any) -> None:
        name = f"{self.peer.name.rpartition('/')[2]}: inference"
        if any(status.name == name for status in message.status):
            stamp = message.header.stamp
            self._heard_ns = stamp.sec * NANOSECONDS + stamp.nanosec

    def _look_around(self) -> None:
        """Find those who were not discovered in time."""
        if rival := self.peer.rival():
            self._stop = f"the answers are not of this replay alone, expected {rival}"

    def _on_signal(self, *_: object) -> None:
        self._stop = "interrupted"
