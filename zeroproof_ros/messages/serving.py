"""How targets are served, beside the bundle: what a node and an evaluation are told alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from zeroproof_ros.pipeline import Policy


@dataclass(frozen=True)
class Serving:
    """The parameters of strict_ik_node that decide what becomes of a target.

    Attributes:
        policy: what happens to rows the model may not serve.
        target_timeout: targets older than this are not followed [s], 0 for no limit.
        command_type: the type of the commands.
        deployment_file: of a robot with other names or limits, empty for the bundle's own.
    """

    policy: Policy = field(default_factory=Policy)
    target_timeout: float = 0.5
    command_type: str = "joint_trajectory"
    deployment_file: str = ""
