"""What runs a model."""

from zeroproof_ros.runtimes.runtime import Runtime, TensorSpec

__all__ = ["Runtime", "TensorSpec"]
