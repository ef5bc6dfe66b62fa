"""The folder a model is delivered in: read, checked, loaded, written."""

from zeroproof_ros.bundle.deployment import Deployment, OutputKind, read_deployment
from zeroproof_ros.bundle.load import Bundle, load_bundle
from zeroproof_ros.bundle.metadata import GraphKind, read_metadata
from zeroproof_ros.bundle.write import write_bundle

__all__ = [
    "Bundle",
    "Deployment",
    "GraphKind",
    "OutputKind",
    "load_bundle",
    "read_deployment",
    "read_metadata",
    "write_bundle",
]
