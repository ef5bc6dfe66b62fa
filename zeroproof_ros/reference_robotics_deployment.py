"""The reference deployment, under the path of the ZeroProofML documents.

What needs torch is loaded when it is touched, and not before.
"""

from typing import TYPE_CHECKING, Any

from zeroproof_ros.lazy import load_lazily
from zeroproof_ros.report import load_reference_robotics_deployment_artifacts

if TYPE_CHECKING:
    from zeroproof_ros.reference import (
        ReferenceRoboticsDeploymentConfig,
        run_reference_robotics_deployment,
    )

__all__ = [
    "ReferenceRoboticsDeploymentConfig",
    "load_reference_robotics_deployment_artifacts",
    "run_reference_robotics_deployment",
]

_TORCH = dict.fromkeys(
    ("ReferenceRoboticsDeploymentConfig", "run_reference_robotics_deployment"),
    "zeroproof_ros.reference",
)


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, name, _TORCH)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
