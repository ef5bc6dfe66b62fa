"""The node that watches what a strict_ik_node serves; reads `~/result` and `~/info` only."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSCompatibility, qos_check_compatible
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from zeroproof_ros.errors import ArrayError, ConfigError, MessageRefusedError, StateFileError
from zeroproof_ros.messages.diagnostics import ERROR, OK, WARN, status_to_msg
from zeroproof_ros.messages.info import Info, info_from_msg
from zeroproof_ros.messages.rates import rates_to_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.monitor import (
    AlertReport,
    Alerts,
    DriftTest,
    Observation,
    RateMonitor,
    monitor_state,
)
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.clocks import every, on_jump
from zeroproof_ros.nodes.monitor_parameters import (
    PARAMETERS,
    alert_settings_of,
    drift_settings_of,
)
from zeroproof_ros.nodes.monitor_record import MonitorRecord
from zeroproof_ros.nodes.parameters import declare, values
from zeroproof_ros.nodes.process import run_node

# Deeper than the publisher's: while alerts are judged no result shall be lost.
RESULT_DEPTH = 100
JUDGE_PERIOD = 0.1  # [s]
STATUS_PERIOD = 1.0  # [s]


class MonitorNode(Node):
    """Publishes `~/rates` and `/diagnostics`, serves `~/reset` and `~/export_state`."""

    def __init__(self) -> None:
        super().__init__("monitor_node")
        declare(self, PARAMETERS)
        self._settings = values(self, PARAMETERS)
        self._bounds = alert_settings_of(self._settings)
        self.add_on_set_parameters_callback(self._check_changes)
        self.add_post_set_parameters_callback(self._apply_changes)
        self._record = MonitorRecord(self, self._settings)
        self._monitor = RateMonitor(self._settings["window"], self._settings["window_rows"])
        self._alerts, self._reports = Alerts(), tuple[AlertReport, ...]()
        self._info = Info("", "", None, "no bundle has been told on ~/info yet")
        self._next_status = -math.inf
        self._begin()
        self._rates = self.create_publisher(
            Float64MultiArray, "~/rates", qos.output(), qos_overriding_options=qos.overridable()
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.output())
        self._results = self.create_subscription(
            PointCloud2,
            "~/result",
            self._on_result,
            qos.reliable(RESULT_DEPTH),
            qos_overriding_options=qos.overridable(),
        )
        self.create_subscription(
            DiagnosticStatus,
            "~/info",
            self._on_info,
            qos.latched(),
            qos_overriding_options=qos.overridable(),
        )
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(Trigger, "~/export_state", self._on_export)
        every(self, 1.0 / self._settings["rate"], self._publish_rates)
        every(self, JUDGE_PERIOD, self._judge)
        self._jumps = on_jump(self, self._on_clock_jump)

    def _begin(self) -> None:
        """Watch as if nothing had come yet."""
        self._monitor.reset()
        self._began = time.monotonic()
        self._publisher_seen = False
        self._unreadable, self._unreadable_at, self._unreadable_error = 0, -math.inf, ""
        self._restart_drift()

    def _restart_drift(self) -> None:
        self._drift = DriftTest(self._info.validated, drift_settings_of(self._settings))

    # What comes in

    def _on_result(self, message: Any) -> None:
        try:
            table = result_from_msg(message)
            self._monitor.update(table.rows, self._now())
        except (MessageRefusedError, ArrayError) as error:
            self._unreadable += 1
            self._unreadable_at, self._unreadable_error = time.monotonic(), str(error)
            self.get_logger().warning(f"result not counted: {error}", throttle_duration_sec=1.0)
            return
        self._drift.update(table.rows)
        self._record.result(table, message.header.stamp)

    def _on_info(self, message: Any) -> None:
        self._record.bundle(message)
        old, info = self._info, info_from_msg(message)
        if not info.digest:
            # nothing serves; the same bundle may be back soon
            return
        self._info = info
        if (info.digest, info.validated) != (old.digest, old.validated):
            self._restart_drift()

    # What goes out

    def _publish_rates(self) -> None:
        self._rates.publish(rates_to_msg(self._monitor.rates(self._now())))

    def _judge(self) -> None:
        """Judge, and tell it once a second and as soon as an alert is raised or cleared."""
        now = time.monotonic()
        self._record.tell_untold(now)
        reports = self._alerts.judge(self._observe(now), self._bounds, now)
        self._reports = reports
        self._tell(reports)
        if now >= self._next_status or any(report.changed for report in reports):
            self._next_status = now + STATUS_PERIOD
            self._publish_status(reports)

    def _observe(self, now: float) -> Observation:
        ros_now, topic = self._now(), self._results.topic_name
        spans = self._monitor.spans(ros_now)
        publishers = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
        self._publisher_seen |= bool(publishers)
        return Observation(
            total=spans["all"].counts,
            window=spans["window"].counts,
            silence=self._monitor.silence(ros_now),
            drift=self._drift,
            no_drift=self._info.not_validated,
            topic=topic,
            publishers=len(publishers),
            incompatible=sum(map(self._unfit, publishers)),
            publisher_seen=self._publisher_seen,
            watched=now - self._began,
            unreadable=self._unreadable,
            unreadable_age=now - self._unreadable_at,
            unreadable_error=self._unreadable_error,
        )

    def _unfit(self, publisher: Any) -> bool:
        fits, _ = qos_check_compatible(publisher, self._results.qos_profile)
        return bool(fits == QoSCompatibility.ERROR)

    def _publish_status(self, reports: Sequence[AlertReport]) -> None:
        statuses = [
            self._status(report.name, _level(report), report.message, report.figures)
            for report in reports
        ]
        rates = self._monitor.rates(self._now())
        window = rates["window"]
        message = "; ".join(f"{r.name}: {r.message}" for r in reports if r.raised)
        if not message:
            message = f"coverage {window.coverage:.4f}, gap rate {window.gap_rate:.4f}"
            if not window.rows:
                message = f"no rows in the last {self._bounds.window:g} s"
        figures = {
            f"{span}_{name}": x for span, r in rates.items() for name, x in r.to_dict().items()
        }
        told = {**self._record.figures(), **figures}
        statuses.append(self._status("rates", max(map(_level, reports)), message, told))
        array = DiagnosticArray(status=statuses)
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _status(self, task: str, level: int, message: str, figures: Any) -> DiagnosticStatus:
        return status_to_msg(
            f"{self.get_name()}: {task}",
            hardware_id=self._info.bundle_id,
            level=level,
            message=message,
            values=figures,
        )

    def _tell(self, reports: Sequence[AlertReport]) -> None:
        """An event for each alert that was raised or cleared."""
        for report in reports:
            if report.changed:
                self._record.event(
                    "alert_raised" if report.raised else "alert_cleared",
                    alert=report.name,
                    level=ERROR if report.error else WARN,
                    message=report.message,
                    figures=report.figures,
                    seconds=report.seconds,
                )

    # Services, parameters and the clock

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._begin()
        self._record.restart()
        self._tell(self._alerts.reset(time.monotonic()))
        self._record.event("reset")
        response.success, response.message = True, "counts are 0"
        return response

    def _on_export(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """The state, as JSON in the answer or as the path of the file it was written to."""
        state = monitor_state(
            self._monitor.spans(self._now()),
            alerts=self._reports,
            drift=self._drift,
            batches=self._record.batches,
        )
        try:
            response.message, response.success = self._record.export(state), True
        except StateFileError as error:
            response.message, response.success = str(error), False
        return response

    def _check_changes(self, changes: Sequence[Parameter]) -> SetParametersResult:
        """Refuse changes that do not fit together; nothing is changed here."""
        try:
            alert_settings_of(values(self, PARAMETERS, changes))
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_changes(self, _: Sequence[Parameter]) -> None:
        drift = drift_settings_of(self._settings)
        self._settings = values(self, PARAMETERS)
        self._bounds = alert_settings_of(self._settings)
        if drift_settings_of(self._settings) != drift:
            self._restart_drift()

    def _on_clock_jump(self, _: Any) -> None:
        # the windows see the jump themselves, at their next look at the time
        self._record.event("clock_jump")

    def destroy_node(self) -> None:
        """End the node; where it is an exception that ends it, the next run shall say so."""
        if sys.exc_info()[0] is None:
            self._record.close()
        Node.destroy_node(self)

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * 1e-9


def _level(report: AlertReport) -> int:
    if not report.raised:
        return OK
    return ERROR if report.error else WARN


def main(args: Sequence[str] | None = None) -> int:
    """Run the node as a process; the exit code is 0 after a signal."""
    return run_node(MonitorNode, args)


if __name__ == "__main__":
    sys.exit(main())
