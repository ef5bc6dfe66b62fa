"""The node that reports the rates of what a strict_ik_node serves; reads `~/result` only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from zeroproof_ros.errors import MessageRefusedError
from zeroproof_ros.messages.diagnostics import OK, WARN, status_to_msg
from zeroproof_ros.messages.rates import rates_to_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.monitor import JsonlLogger, RateMonitor, Rates, count_rows, event_line
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.clocks import every, on_jump
from zeroproof_ros.nodes.parameters import ParameterSpec, declare, values
from zeroproof_ros.nodes.process import run_node
from zeroproof_ros.pipeline import Source

EVENT_SCHEMA = {"schema_name": "zeroproof_ros_event", "schema_version": 1}

PARAMETERS = (
    ParameterSpec("window", 10.0, "Length of the sliding window [s].", 0.1, 86400.0),
    ParameterSpec("rate", 1.0, "How often rates are published [Hz].", 0.01, 100.0),
    ParameterSpec("event_file", "", "JSONL file that events are appended to; empty for none."),
    ParameterSpec(
        "coverage_min",
        0.90,
        "Coverage in the window below this is a warning.",
        0.0,
        1.0,
        dynamic=True,
    ),
    ParameterSpec(
        "gap_max", 0.05, "Gap rate in the window above this is a warning.", 0.0, 1.0, dynamic=True
    ),
    ParameterSpec(
        "reject_max",
        0.0,
        "Share of rows nobody served in the window above this is a warning.",
        0.0,
        1.0,
        dynamic=True,
    ),
)


class MonitorNode(Node):
    """Publishes `~/rates` and `/diagnostics`, serves `~/reset` and `~/export_state`."""

    def __init__(self) -> None:
        super().__init__("monitor_node")
        declare(self, PARAMETERS)
        self._settings = values(self, PARAMETERS)
        self.add_post_set_parameters_callback(self._apply_changes)
        self._monitor = RateMonitor(self._settings["window"])
        file = self._settings["event_file"]
        self._events = JsonlLogger(file) if file else None
        self._level, self._incompatible = OK, 0
        self._unreadable = self._unreadable_reported = 0
        self._rates = self.create_publisher(
            Float64MultiArray, "~/rates", qos.output(), qos_overriding_options=qos.overridable()
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.output())
        self.create_subscription(
            PointCloud2,
            "~/result",
            self._on_result,
            qos.output(),
            qos_overriding_options=qos.overridable(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
        )
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(Trigger, "~/export_state", self._on_export)
        every(self, 1.0 / self._settings["rate"], self._on_timer)
        self._jumps = on_jump(self, self._on_clock_jump)
        self._event("started")

    def _on_result(self, message: Any) -> None:
        try:
            table = result_from_msg(message)
        except MessageRefusedError as error:
            self._unreadable += 1
            self.get_logger().warning(f"result not counted: {error}", throttle_duration_sec=1.0)
            return
        self._monitor.update(count_rows(table.rows, analytic=Source.ANALYTIC), self._now())

    def _on_timer(self) -> None:
        spans = self._monitor.rates(self._now())
        self._rates.publish(rates_to_msg(spans))
        level, message = self._judge(spans["window"])
        status = status_to_msg(
            f"{self.get_name()}: rates",
            hardware_id="",
            level=level,
            message=message,
            values={
                "results_unreadable": self._unreadable,
                "incompatible_qos": self._incompatible,
                **{f"{span}_{k}": v for span, r in spans.items() for k, v in asdict(r).items()},
            },
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)
        if level != self._level:
            self._event("level", level=level, message=message, rates=asdict(spans["window"]))
            self._level = level

    def _judge(self, rates: Rates) -> tuple[int, str]:
        settings = self._settings
        unreadable = self._unreadable - self._unreadable_reported
        self._unreadable_reported = self._unreadable
        # without rows the rates are NaN, of which nothing is complained
        complaints = [
            text
            for text, broken in (
                (f"{unreadable} results since the last report are unreadable", unreadable > 0),
                (
                    f"{self._incompatible} result publishers have incompatible QoS, nothing comes",
                    self._incompatible > 0,
                ),
                (
                    f"coverage {rates.coverage:.4f} is below {settings['coverage_min']:g}",
                    rates.coverage < settings["coverage_min"],
                ),
                (
                    f"gap rate {rates.gap_rate:.4f} is above {settings['gap_max']:g}",
                    rates.gap_rate > settings["gap_max"],
                ),
                (
                    f"reject rate {rates.reject_rate:.4f} is above {settings['reject_max']:g}",
                    rates.reject_rate > settings["reject_max"],
                ),
            )
            if broken
        ]
        if complaints:
            return WARN, "; ".join(complaints)
        if not rates.rows:
            return OK, f"no rows in the last {settings['window']:g} s"
        return OK, f"coverage {rates.coverage:.4f}, gap rate {rates.gap_rate:.4f}"

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._monitor.reset()
        self._incompatible = self._unreadable = self._unreadable_reported = 0
        self._event("reset")
        response.success, response.message = True, "counts are 0"
        return response

    def _on_export(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """The state as JSON in the answer, and as an event."""
        spans = {span: asdict(rates) for span, rates in self._monitor.rates(self._now()).items()}
        response.message = event_line(self._event("state", **spans))
        response.success = True
        return response

    def _apply_changes(self, _: Any) -> None:
        self._settings = values(self, PARAMETERS)

    def _on_clock_jump(self, _: Any) -> None:
        self._monitor.reset()
        self._event("clock_jump")

    def _on_incompatible_qos(self, event: Any) -> None:
        self._incompatible += 1
        self.get_logger().warning(
            f"a result publisher has incompatible QoS (policy {event.last_policy_kind})"
        )

    def _event(self, event: str, **content: object) -> dict[str, object]:
        stamp_ns = self.get_clock().now().nanoseconds
        record = {**EVENT_SCHEMA, "event": event, "stamp_ns": stamp_ns, **content}
        try:
            if self._events:
                self._events(record)
        except OSError as error:
            # a full disk must not end the monitor
            self.get_logger().error(f"event {event} is lost: {error}", throttle_duration_sec=1.0)
        return record

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9


def main(args: Sequence[str] | None = None) -> int:
    """Run the node as a process; the exit code is 0 after a signal."""
    return run_node(MonitorNode, args)


if __name__ == "__main__":
    sys.exit(main())
