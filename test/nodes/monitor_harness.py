"""A monitor_node, and what its users see of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client import Client
from diagnostic_msgs.msg import DiagnosticArray
from node_process import NodeProcess, Start
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from zeroproof_ros.messages.diagnostics import values_from_msg
from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.monitor import Rates


@dataclass
class Monitor:
    """Talks to one monitor_node.

    Attributes:
        rates: messages in order of arrival.
        statuses: what it says on /diagnostics, by task, in order of arrival.
    """

    client: Client
    process: NodeProcess
    name: str
    event_file: Path
    rates: list[Any]
    statuses: dict[str, list[Any]] = field(default_factory=dict)

    def on_status(self, message: Any) -> None:
        for status in message.status:
            node, _, task = status.name.partition(": ")
            if node == self.name:
                self.statuses.setdefault(task, []).append(status)

    def wait_for_rows(self, rows: int, span: str = "all") -> dict[str, Rates]:
        self.rates.clear()
        self.client.wait(
            lambda: self.rates and rates_from_msg(self.rates[-1])[span].rows == rows,
            f"rates of {rows} rows",
        )
        return rates_from_msg(self.rates[-1])

    def wait_for_status(
        self, task: str, level: int, words: str = "", *, meanwhile: Any = lambda: None
    ) -> Any:
        """The first new status of a task with a level and these words."""
        self.statuses.clear()

        def there() -> Any:
            meanwhile()
            return next(
                (
                    status
                    for status in self.statuses.get(task, ())
                    if status.level[0] == level and words in status.message
                ),
                None,
            )

        try:
            return self.client.wait(there, f"{task} of level {level} with {words!r}")
        except AssertionError as error:
            last = self.statuses.get(task, [None])[-1]
            raise AssertionError(f"{error}\nlast: {last}\n{self.process.output}") from error

    def wait_for_value(self, task: str, key: str, value: str) -> None:
        self.statuses.clear()
        self.client.wait(
            lambda: any(
                values_from_msg(status).get(key) == value for status in self.statuses.get(task, ())
            ),
            f"{task} with {key} {value}",
        )

    def trigger(self, service: str) -> Any:
        return self.client.call(Trigger, f"/{self.name}/{service}")

    def set(self, **parameters: Any) -> Any:
        """The result of setting parameters, one for all."""
        messages = [Parameter(name, value=v).to_parameter_msg() for name, v in parameters.items()]
        response = self.client.call(
            SetParameters, f"/{self.name}/set_parameters", parameters=messages
        )
        return response.results[0]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.event_file.read_text("utf-8").splitlines()]

    def alert_events(self, alert: str) -> list[dict[str, Any]]:
        return [event for event in self.events() if event.get("alert") == alert]


def start_monitor(
    client: Client,
    start: Start,
    name: str,
    topics: str,
    event_file: Path,
    **parameters: Any,
) -> Monitor:
    """Start one that watches `<topics>/result` and `<topics>/info`."""
    process = start(
        "monitor_node",
        *("-r", f"__node:={name}"),
        *("-r", f"~/result:={topics}/result", "-r", f"~/info:={topics}/info"),
        **{"rate": 20, "event_file": str(event_file), "alert_hold": 0.2} | parameters,
    )
    rates = client.collect(Float64MultiArray, f"/{name}/rates")
    monitor = Monitor(client, process, name, event_file, rates)
    client.node.create_subscription(DiagnosticArray, "/diagnostics", monitor.on_status, 1000)
    return monitor
