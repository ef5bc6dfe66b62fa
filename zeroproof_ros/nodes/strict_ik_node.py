"""The node that answers joint targets: strict inference, fallback, verified commands."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from zeroproof_ros.bundle import load_bundle_on, read_deployment
from zeroproof_ros.errors import ConfigError, MessageRefusedError
from zeroproof_ros.messages.commands import COMMAND_TYPES, command_to_msg
from zeroproof_ros.messages.info import info_to_msg, nothing_to_msg
from zeroproof_ros.messages.results import result_to_msg
from zeroproof_ros.messages.targets import TARGET_TYPES, read_target
from zeroproof_ros.nodes import qos
from zeroproof_ros.nodes.clocks import every, on_jump
from zeroproof_ros.nodes.health import Health
from zeroproof_ros.nodes.lifecycle import GuardedLifecycleNode
from zeroproof_ros.nodes.parameters import declare, values
from zeroproof_ros.nodes.process import run_node
from zeroproof_ros.nodes.strict_ik_parameters import PARAMETERS, policy_of, typical_rows
from zeroproof_ros.pipeline import (
    Freshness,
    Reason,
    ResultTable,
    StrictIK,
    explain,
    judge_freshness,
)


class StrictIKNode(GuardedLifecycleNode):
    """Answers `~/target` with `~/result` and `~/command`; see the interface table in README."""

    def __init__(self) -> None:
        super().__init__("strict_ik_node")
        declare(self, PARAMETERS)
        self.add_on_set_parameters_callback(self._check_changes)
        self.add_post_set_parameters_callback(self._apply_changes)
        self._settings = values(self, PARAMETERS)
        self._ik: StrictIK | None = None
        self._paused = False
        self._active = False
        self._next_warning = 0.0
        self._info_name = f"{self.get_name()}: bundle"
        self._target: Any = None
        self._result: Any = None
        self._command: Any = None
        self._info = self.create_publisher(
            DiagnosticStatus, "~/info", qos.latched(), qos_overriding_options=qos.overridable()
        )
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.output())
        self._health = Health(self.get_name(), self._publish_status, self._describe_state)
        self.create_service(Trigger, "~/reload", self._on_reload)
        self.create_service(SetBool, "~/pause", self._on_pause)
        every(self, 1.0, self._health.report)
        self._jumps = on_jump(self, self._on_clock_jump)
        success = TransitionCallbackReturn.SUCCESS
        if self._settings["autostart"] and self.trigger_configure() is success:
            self.trigger_activate()

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load and warm up the bundle, then make the topics."""
        return self.attempt("configure", self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start answering."""
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop answering; targets that arrive are counted."""
        self._active = False
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop the bundle and the topics."""
        return self.attempt("cleanup", self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Drop everything, from any state."""
        return self.attempt("shutdown", self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured, from where the operator can try again."""
        return self.attempt("error handling", self._release)

    def _configure(self) -> None:
        self._settings = values(self, PARAMETERS)
        try:
            self._ik = self._load()
            self._make_topics()
        except Exception as error:
            self._release()
            self._health.failed(f"configure failed: {error}")
            raise
        self._health.serves(self._ik)
        self._publish_info(self._ik)

    def _make_topics(self) -> None:
        target, _ = TARGET_TYPES[self._settings["target_type"]]
        command = COMMAND_TYPES[self._settings["command_type"]].message
        self._result = self._make_publisher(PointCloud2, "~/result")
        self._command = self._make_publisher(command, "~/command")
        self._target = self.create_subscription(
            target,
            "~/target",
            # rclpy calls it with the message info too; its annotation knows the other form only
            cast(Callable[[Any], None], self._on_target),
            qos.reliable(self._settings["target_depth"]),
            qos_overriding_options=qos.overridable(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible_qos),
        )

    def _make_publisher(self, message: type, topic: str) -> Any:
        return self.create_lifecycle_publisher(
            message,
            topic,
            qos.output(),
            qos_overriding_options=qos.overridable(),
            event_callbacks=PublisherEventCallbacks(incompatible_qos=self._on_incompatible_qos),
        )

    def _release(self) -> None:
        self._active, self._ik = False, None
        self._health.serves(None)
        if self._target is not None:
            self.destroy_subscription(self._target)
        for publisher in (self._result, self._command):
            if publisher is not None:
                self.destroy_lifecycle_publisher(publisher)
        self._target = self._result = self._command = None
        # it is latched, so a late reader would still be told of the bundle
        self._info.publish(nothing_to_msg(self._info_name))

    def _load(self) -> StrictIK:
        settings = self._settings
        if not settings["bundle_dir"]:
            raise ConfigError("parameter bundle_dir is empty, expected the folder of a bundle")
        file = settings["deployment_file"]
        bundle = load_bundle_on(
            settings["device"],
            Path(settings["bundle_dir"]),
            rows=typical_rows(settings),
            deployment=read_deployment(Path(file)) if file else None,
            expected_digest=settings["expected_digest"] or None,
        )
        ik = StrictIK(bundle, policy_of(settings))
        self.get_logger().info(
            f"loaded {bundle.id} on {', '.join(bundle.runtime.providers)} ({bundle.placement})"
        )
        return ik

    # Targets

    def _on_target(self, message: Any, info: Mapping[str, int]) -> None:
        started = time.monotonic_ns()
        # The middleware stamps arrival on the system clock, which message stamps need not follow.
        # One that does not say when leaves 0.
        now = time.time_ns()
        waited = max(0, now - (info["received_timestamp"] or now))
        try:
            self._answer(message, started, waited)
        except MessageRefusedError as error:
            self._health.count(f"refused_{error.kind}")
            text = f"target refused: {error}"
            self._warn(lambda: text)
        except Exception as error:  # noqa: BLE001 -- a target must not end the node
            self._health.count("internal_errors")
            self.get_logger().error(
                f"target dropped: {type(error).__name__}: {error}", throttle_duration_sec=1.0
            )

    def _answer(self, message: Any, started: int, waited: int) -> None:
        ik = self._ik
        if ik is None or not self._active:
            self._health.count("dropped_inactive")
            return
        target = read_target(
            message,
            self._settings["target_type"],
            ik.deployment,
            arrival_ns=self.get_clock().now().nanoseconds,
        )
        freshness = self._judge(target.stamp_ns, waited)
        self._health.count("stamps_unknown", int(freshness.stamp_age is None))
        self._health.count("stamps_future", int(freshness.future))
        if not freshness.stale:
            table = ik.solve(target.rows)
            # a large batch may take so long that its answer comes too late
            freshness = self._judge(target.stamp_ns, waited + time.monotonic_ns() - started)
        if freshness.stale:
            table = ik.refuse(target.rows, Reason.STALE)
        self._publish(ik, table, target.header)
        self._health.answered(table, (time.monotonic_ns() - started) * 1e-9)

    def _judge(self, stamp_ns: int, arrival_age_ns: int) -> Freshness:
        return judge_freshness(
            stamp_ns=stamp_ns,
            now_ns=self.get_clock().now().nanoseconds,
            arrival_age_ns=arrival_age_ns,
            timeout=self._settings["target_timeout"],
        )

    def _publish(self, ik: StrictIK, table: ResultTable, header: Header) -> None:
        result, command = result_to_msg(table, header), self._command_for(ik, table, header)
        # Right after each other: whoever waits for both is woken once.
        self._result.publish(result)
        if command is not None:
            self._command.publish(command)
        served = table.served
        if not served.all():
            self._warn(
                lambda: (
                    f"{np.count_nonzero(~served)} of {len(table)} rows rejected, first: "
                    f"{explain(ik, table, int((~served).argmax()))}"
                )
            )

    def _command_for(self, ik: StrictIK, table: ResultTable, header: Header) -> Any:
        """The command a table leads to, None where nothing may be executed."""
        served = int(np.count_nonzero(table.served))
        if self._paused:
            self._health.count("commands_paused", served)
            return None
        command, rows = command_to_msg(ik, table, self._settings["command_type"], header)
        self._health.count("commands_withheld", served - rows)
        return command

    # Services and parameters

    def _on_reload(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._ik is None:
            response.message = f"nothing to reload in state {self.state_label}; configure first"
            return response
        try:
            loaded = self._load()
            # Targets and commands flow on: what they mean must not change under them.
            self._ik.deployment.check_same_model(loaded.deployment, loaded.bundle.path)
        except Exception as error:  # noqa: BLE001 -- the old bundle serves on, whatever it is
            response.message = f"{self._ik.bundle.id} serves on: {error}"
            self._health.count("reloads_failed")
            self.get_logger().error(f"reload failed, {response.message}")
            return response
        self._ik = loaded
        self._health.serves(loaded)
        self._publish_info(loaded)
        response.success, response.message = True, f"{loaded.bundle.id} serves"
        return response

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._paused = request.data
        response.success = True
        response.message = "commands are stopped" if request.data else "commands flow"
        return response

    def _check_changes(self, changes: Sequence[Parameter]) -> SetParametersResult:
        """Refuse changes that do not fit together; nothing is changed here."""
        try:
            policy_of(values(self, PARAMETERS, changes))
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_changes(self, changes: Sequence[Parameter]) -> None:
        self._settings = values(self, PARAMETERS)
        policy = policy_of(self._settings)
        if self._ik is not None and policy != self._ik.policy:
            self._ik = StrictIK(self._ik.bundle, policy)
            self._health.serves(self._ik)
            self._publish_info(self._ik)

    # What others see

    def _describe_state(self) -> str:
        return self.state_label + (", commands paused" if self._paused else "")

    def _on_clock_jump(self, _: Any) -> None:
        self._health.clock_jumped()

    def _on_incompatible_qos(self, event: Any) -> None:
        self._health.count("incompatible_qos")
        kind = event.last_policy_kind
        self._warn(lambda: f"a topic has an endpoint with incompatible QoS (policy {kind})")

    def _publish_info(self, ik: StrictIK) -> None:
        self._info.publish(info_to_msg(ik, self._info_name))

    def _publish_status(self, status: DiagnosticStatus) -> None:
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _warn(self, describe: Callable[[], str]) -> None:
        """Warn at most once a second; what is not said is not put into words either."""
        now = time.monotonic()
        if now >= self._next_warning:
            self._next_warning = now + 1.0
            self.get_logger().warning(describe())


def main(args: Sequence[str] | None = None) -> int:
    """Run the node as a process; the exit code is 0 after a signal."""
    return run_node(StrictIKNode, args)


if __name__ == "__main__":
    sys.exit(main())
