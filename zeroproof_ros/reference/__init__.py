"""The reference deployment: from a description of an arm to a judged bundle."""

from zeroproof_ros.reference.deployment import (
    ReferenceRoboticsDeploymentConfig,
    run_reference_robotics_deployment,
)

__all__ = ["ReferenceRoboticsDeploymentConfig", "run_reference_robotics_deployment"]
