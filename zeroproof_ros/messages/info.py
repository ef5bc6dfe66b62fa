"""What serves: a loaded `StrictIK` -> DiagnosticStatus."""

from __future__ import annotations

from dataclasses import asdict

from diagnostic_msgs.msg import DiagnosticStatus

from zeroproof_ros.messages.diagnostics import OK, status_to_msg
from zeroproof_ros.pipeline import StrictIK


def info_to_msg(ik: StrictIK, name: str) -> DiagnosticStatus:
    """Bundle, provider, thresholds, arm, policy and table columns, as key and value."""
    bundle, deployment = ik.bundle, ik.deployment
    return status_to_msg(
        name,
        hardware_id=bundle.id,
        level=OK,
        message=f"{bundle.id} serves",
        values={
            "bundle_dir": bundle.path,
            "bundle_digest": bundle.digest,
            "graph": bundle.kind.name.lower(),
            "thresholds_in_graph": bundle.thresholds_in_graph,
            "providers": bundle.runtime.providers,
            "placement": bundle.placement,
            "tau_infer": bundle.config.tau_infer,
            "tau_train": bundle.config.tau_train,
            "robot": deployment.robot_type,
            "link_lengths": deployment.link_lengths,
            "joint_names": deployment.joint_names,
            "base_frame": deployment.base_frame,
            "output_kind": deployment.output_kind.value,
            **asdict(ik.policy),
            "columns": tuple(column.name for column in ik.layout.columns),
        },
    )


def nothing_to_msg(name: str) -> DiagnosticStatus:
    """What is said while no bundle is loaded."""
    return status_to_msg(name, hardware_id="", level=OK, message="nothing serves", values={})
