"""The parameters of strict_ik_node; README's table of them is checked against this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from zeroproof_ros.bundle import AUTO
from zeroproof_ros.messages.commands import COMMAND_TYPES
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.messages.targets import TARGET_TYPES
from zeroproof_ros.nodes.parameters import ParameterSpec
from zeroproof_ros.pipeline import Policy
from zeroproof_ros.pipeline.policy import BOTTOM_POLICIES, GAP_POLICIES
from zeroproof_ros.runtimes.onnx import DEVICES

SERVING = Serving()
DEFAULT = SERVING.policy
POLICY_PARAMETERS = (
    ParameterSpec(
        "bottom_policy",
        DEFAULT.bottom_policy,
        "Who serves rows without a value: the analytic solver or nobody.",
        choices=BOTTOM_POLICIES,
        dynamic=True,
    ),
    ParameterSpec(
        "gap_policy",
        DEFAULT.gap_policy,
        "Who serves risky rows: the solver, the model or nobody.",
        choices=GAP_POLICIES,
        dynamic=True,
    ),
    ParameterSpec(
        "residual_tolerance",
        DEFAULT.residual_tolerance,
        "Largest |J dq - dx| / |dx| of a model's joint step.",
        1e-9,
        0.999,
        dynamic=True,
    ),
    ParameterSpec(
        "motion_tolerance",
        DEFAULT.motion_tolerance,
        "Largest |FK(q + dq) - FK(q) - dx| / |dx| of a joint motion, the model's or the solver's.",
        1e-9,
        0.999,
        dynamic=True,
    ),
    ParameterSpec(
        "position_tolerance",
        DEFAULT.position_tolerance,
        "Largest |FK(q) - x| of a joint position [m], for bundles that answer positions.",
        1e-9,
        10.0,
        dynamic=True,
    ),
    ParameterSpec(
        "step_duration",
        DEFAULT.step_duration,
        "Time one commanded step may take [s]; with the "
        "velocity limits it gives the largest joint step.",
        1e-4,
        60.0,
        dynamic=True,
    ),
    ParameterSpec(
        "max_batch",
        DEFAULT.max_batch,
        "Rows given to the model at once; larger messages are answered in parts.",
        1,
        1 << 24,
        dynamic=True,
    ),
)
PARAMETERS = (
    ParameterSpec(
        "bundle_dir",
        "",
        "Folder of the bundle; a change takes effect with ~/reload or the next configure.",
        dynamic=True,
    ),
    ParameterSpec(
        "deployment_file",
        SERVING.deployment_file,
        "YAML file with a `deployment` block, for a bundle without one or "
        "for a robot with other names or limits; a change takes effect like bundle_dir.",
        dynamic=True,
    ),
    ParameterSpec(
        "expected_digest",
        "",
        "The only bundle digest that is accepted, empty for any; takes effect like bundle_dir.",
        dynamic=True,
    ),
    ParameterSpec(
        "device",
        "cpu",
        "Where the model runs; it runs there or the node refuses to configure. auto measures at "
        "configure and reload which is faster, and ~/info says what it measured.",
        choices=(*DEVICES, AUTO),
    ),
    ParameterSpec("autostart", True, "Configure and activate without being asked."),
    ParameterSpec(
        "target_type", "joint_state", "Message type of ~/target.", choices=tuple(TARGET_TYPES)
    ),
    ParameterSpec(
        "target_depth", 1, "How many unread targets are kept; 1 answers only the latest.", 1, 1000
    ),
    ParameterSpec(
        "target_timeout",
        SERVING.target_timeout,
        "Targets older than this are not followed [s]; 0 for no limit.",
        0.0,
        3600.0,
        dynamic=True,
    ),
    ParameterSpec(
        "command_type",
        SERVING.command_type,
        "Message type of ~/command.",
        choices=tuple(COMMAND_TYPES),
    ),
    *POLICY_PARAMETERS,
)


def policy_of(settings: Mapping[str, Any]) -> Policy:
    """The policy that parameter values make.

    Raises:
        ConfigError: the values do not fit together.
    """
    return Policy(**{field.name: settings[field.name] for field in fields(Policy)})


def serving_of(settings: Mapping[str, Any]) -> Serving:
    """What parameter values say of how targets are served.

    Raises:
        ConfigError: the values do not fit together.
    """
    told = {field.name: settings[field.name] for field in fields(Serving) if field.name in settings}
    return Serving(policy=policy_of(settings), **told)


def typical_rows(settings: Mapping[str, Any]) -> int:
    """The number of rows that `device: auto` measures with: one, or a table where they come."""
    return 1 if settings["target_type"] == "joint_state" else 1024
