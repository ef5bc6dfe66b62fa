"""The folder a model is delivered in: read, checked, loaded, written."""

from zeroproof_ros.bundle.deployment import Deployment, OutputKind, read_deployment
from zeroproof_ros.bundle.device import AUTO, load_bundle_on
from zeroproof_ros.bundle.load import Bundle, BundleResult, load_bundle, validate_bundle
from zeroproof_ros.bundle.metadata import GraphKind
from zeroproof_ros.bundle.write import write_bundle, write_with_thresholds

__all__ = [
    "AUTO",
    "Bundle",
    "BundleResult",
    "Deployment",
    "GraphKind",
    "OutputKind",
    "load_bundle",
    "load_bundle_on",
    "read_deployment",
    "validate_bundle",
    "write_bundle",
    "write_with_thresholds",
]
