"""The validation report of a bundle: measured, judged, written and loaded again."""

from zeroproof_ros.report.artifacts import (
    DeploymentArtifacts,
    load_reference_robotics_deployment_artifacts,
    write_report,
)
from zeroproof_ros.report.gates import Gate
from zeroproof_ros.report.validation import ValidationReport, drawn_rows, validation_report

__all__ = [
    "DeploymentArtifacts",
    "Gate",
    "ValidationReport",
    "drawn_rows",
    "load_reference_robotics_deployment_artifacts",
    "validation_report",
    "write_report",
]
