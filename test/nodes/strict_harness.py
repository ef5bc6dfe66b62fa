"""A strict_ik_node process, and what its users do with it and see of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from client import Client
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_process import ROOT, NodeProcess, Start
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.parameter import Parameter, parameter_value_to_python
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from zeroproof_ros.messages.commands import COMMAND_TYPES
from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.messages.targets import (
    TARGET_TYPES,
    joint_state_from_rows,
    multi_array_from_rows,
    point_cloud_from_rows,
)
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.health import ERRORS, WARNINGS, WORK
from zeroproof_ros.pipeline import ResultTable

BUNDLE = ROOT / "test" / "bundles" / "planar_2r"
FEATURES = ("theta1", "theta2", "dx", "dy")
JOINTS = ("joint1", "joint2")
COUNTS = (*WORK, *ERRORS, *WARNINGS)

# Rows of the exact bundle, which has det J = 0.8 sin(theta2), tau_infer 0.02, tau_train 0.05.
GOOD = (0.3, 1.2, 0.01, -0.02)
BOTTOM = (0.3, 0.0, -0.01, 0.0)
GAP = (0.3, 0.0375, -0.0002, 0.0001)


def rows_of(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.float64)


def target(rows: np.ndarray, target_type: str = "joint_state", header: Header | None = None) -> Any:
    """A target message as its writer in this package makes it."""
    header = header or Header()
    if target_type == "joint_state":
        return joint_state_from_rows(rows, FEATURES, header)
    if target_type == "point_cloud":
        return point_cloud_from_rows(rows, FEATURES, header)
    return multi_array_from_rows(rows, FEATURES)


class StrictHarness:
    """Talks to one node.

    Attributes:
        results: tables in order of arrival, `result_messages` what carried them.
        commands: command messages in order of arrival.
        statuses: what the node says of itself on /diagnostics.
        infos: what came on ~/info.
    """

    def __init__(
        self, client: Client, process: NodeProcess, name: str, parameters: Mapping[str, Any]
    ) -> None:
        self.client, self.process, self.name = client, process, name
        self.simulated_time = parameters.get("use_sim_time", False)
        self.target_type = parameters.get("target_type", "joint_state")
        command = COMMAND_TYPES[parameters.get("command_type", "joint_trajectory")]
        self._read_command = command.read
        self.result_messages = client.collect(PointCloud2, f"/{name}/result")
        self.commands = client.collect(command.message, f"/{name}/command")
        self.infos = client.collect(DiagnosticStatus, f"/{name}/info", qos.latched())
        self.statuses: list[DiagnosticStatus] = []
        client.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_status, 1000)
        self.publisher = client.node.create_publisher(
            TARGET_TYPES[self.target_type][0], f"/{name}/target", qos.reliable(1000)
        )
        self.status_stamp = Time()
        self._marks = 0
        self._counts: dict[str, int] = {}

    def _on_status(self, message: Any) -> None:
        for status in message.status:
            if status.name == f"{self.name}: inference":
                self.statuses.append(status)
                self.status_stamp = message.header.stamp

    # Targets

    @property
    def results(self) -> list[ResultTable]:
        return [result_from_msg(message) for message in self.result_messages]

    def positions(self, command: Any) -> np.ndarray:
        """The joint positions (M, 2) of a command message."""
        return self._read_command(command, JOINTS)

    def target(self, *rows: tuple[float, ...], header: Header | None = None) -> Any:
        return target(rows_of(*rows), self.target_type, header)

    def settle(self) -> None:
        """Publish until results and commands come through, so that nothing is lost later."""
        self.wait(self.publisher.get_subscription_count, "its subscription to ~/target")
        for _ in range(100):
            self.publisher.publish(self.target(GOOD))
            self.client.spin(0.1)
            if self.result_messages and self.commands:
                break
        self.sync()
        self.clear()
        self.recount()

    def clear(self) -> None:
        self.result_messages.clear()
        self.commands.clear()

    def sync(self, *, commanded: bool = True) -> None:
        """Have a target answered that is told from all others: all before it are done then."""
        self._marks += 1
        theta1 = 0.5 + 1e-4 * self._marks
        self.publisher.publish(self.target((theta1, *GOOD[1:])))
        self.wait(
            lambda: self.results and self.results[-1]["in"][0, 0] == theta1, "the sync target"
        )
        if not commanded:
            return
        table = self.results[-1]
        to = table["in"][0, :2] + table["resolved"][0]
        self.wait(
            lambda: self.commands and np.array_equal(self.positions(self.commands[-1]), [to]),
            "the sync command",
        )

    def ask(self, message: Any, *, commanded: bool = True) -> tuple[list[ResultTable], list[Any]]:
        """Publish a target; the tables and commands it led to, without those of the sync."""
        self.clear()
        self.publisher.publish(message)
        self.sync(commanded=commanded)
        tables, commands = self.results[:-1], self.commands[: -1 if commanded else None]
        return tables, list(commands)

    def wait(self, condition: Any, what: str) -> Any:
        """As `Client.wait`, but tells what the node wrote when it was in vain."""

        def alive() -> Any:
            assert self.process.running, f"{self.name} ended:\n{self.process.output}"
            return condition()

        try:
            return self.client.wait(alive, f"{self.name}: {what}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.process.output}") from error

    # Diagnostics

    def counts(self) -> dict[str, int]:
        """All counts of the last status."""
        values = values_from_msg(self.statuses[-1])
        return {name: int(values[name]) for name in COUNTS}

    def recount(self) -> None:
        """Take the counts of a report from now on as the ones that `expect` starts from."""
        if self.simulated_time:
            seen = len(self.statuses)
            self.wait(lambda: len(self.statuses) >= seen + 2, "two reports on /diagnostics")
        else:
            now = time.time()
            self.wait(lambda: seconds(self.status_stamp) > now, "a report on /diagnostics")
        self._counts = self.counts()

    def expect(self, **rises: int) -> DiagnosticStatus:
        """Demand that these counts rose by so much since the last time, and no other."""
        expected = {name: n + rises.pop(name, 0) for name, n in self._counts.items()}
        assert not rises, f"unknown counts {rises}"
        try:
            self.wait(lambda: self.counts() == expected, "counts")
        except AssertionError:
            now = self.counts()
            wrong = {k: (now[k], n) for k, n in expected.items() if now[k] != n}
            raise AssertionError(f"counts (found, expected): {wrong}") from None
        self._counts = expected
        return self.statuses[-1]

    # Services

    def set(self, **parameters: Any) -> Any:
        """The result of setting parameters, one for all."""
        messages = [Parameter(name, value=v).to_parameter_msg() for name, v in parameters.items()]
        response = self.client.call(
            SetParameters, f"/{self.name}/set_parameters", parameters=messages
        )
        return response.results[0]

    def get(self, *names: str) -> list[Any]:
        """The values of parameters."""
        response = self.client.call(
            GetParameters, f"/{self.name}/get_parameters", names=list(names)
        )
        return [parameter_value_to_python(value) for value in response.values]

    def reload(self) -> Any:
        return self.client.call(Trigger, f"/{self.name}/reload")

    def pause(self, paused: bool) -> Any:
        return self.client.call(SetBool, f"/{self.name}/pause", data=paused)

    def change(self, transition: int, label: str = "") -> bool:
        """Whether a lifecycle transition succeeded."""
        return bool(
            self.client.call(
                ChangeState,
                f"/{self.name}/change_state",
                transition=Transition(id=transition, label=label),
            ).success
        )

    @property
    def state(self) -> str:
        return str(self.client.call(GetState, f"/{self.name}/get_state").current_state.label)


class Serve:
    """Starts strict_ik_node processes with the exact bundle, and waits until they answer."""

    def __init__(self, start: Start, client: Client, names: Iterator[int]) -> None:
        self._start, self._client, self._names = start, client, names

    def __call__(
        self, *arguments: str, settle: bool = True, name: str = "", **parameters: Any
    ) -> StrictHarness:
        name = name or f"strict_{next(self._names)}"
        # on a busy machine a target may wait long, which is not what most tests are about
        defaults = {"bundle_dir": str(BUNDLE), "target_depth": 100, "target_timeout": 60.0}
        parameters = defaults | parameters
        process = self._start("strict_ik_node", "-r", f"__node:={name}", *arguments, **parameters)
        harness = StrictHarness(self._client, process, name, parameters)
        if settle:
            harness.settle()
        else:
            # it has discovered this process by then, and can answer its requests
            harness.wait(lambda: harness.statuses, "its first report")
        return harness

    def all(self, **nodes: dict[str, Any]) -> dict[str, StrictHarness]:
        """Several nodes, started together."""
        started = {key: self(settle=False, **parameters) for key, parameters in nodes.items()}
        for harness in started.values():
            harness.settle()
        return started


def stamped(seconds: float, frame_id: str = "") -> Header:
    """A header with a stamp in seconds."""
    sec, nanosec = divmod(round(seconds * 1e9), 1_000_000_000)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)


def seconds(stamp: Time) -> float:
    return float(stamp.sec + 1e-9 * stamp.nanosec)


def same_bits(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two structured arrays hold the same values bit for bit, NaN included."""
    names = expected.dtype.names or ()
    return found.dtype == expected.dtype and all(
        found[name].tobytes() == expected[name].tobytes() for name in names
    )
