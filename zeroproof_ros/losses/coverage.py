"""Coverage, under the path of the ZeroProofML documents."""

from zeroproof_ros.contract import coverage_metric

__all__ = ["coverage_metric"]
