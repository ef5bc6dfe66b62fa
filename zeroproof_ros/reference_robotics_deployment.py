"""The reference deployment, under the path of the ZeroProofML documents."""

from zeroproof_ros.report import load_reference_robotics_deployment_artifacts

__all__ = ["load_reference_robotics_deployment_artifacts"]
