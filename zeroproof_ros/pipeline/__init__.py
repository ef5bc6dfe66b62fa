"""Rows in, verified rows out: decode, check, fallback, limits; no I/O, no clock, no ROS."""

from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.pipeline.batches import BatchResult, batch_inference
from zeroproof_ros.pipeline.explain import explain
from zeroproof_ros.pipeline.fallback import reject_on_bottom, reject_on_gap, safe_sentinel
from zeroproof_ros.pipeline.freshness import Freshness, judge_freshness
from zeroproof_ros.pipeline.held_out import HeldOut, held_out
from zeroproof_ros.pipeline.policy import Policy
from zeroproof_ros.pipeline.routing import RoutedResult, route_to_analytic_solver
from zeroproof_ros.pipeline.strict_ik import StrictIK
from zeroproof_ros.pipeline.table import ResultTable, TableLayout

__all__ = [
    "BatchResult",
    "Freshness",
    "HeldOut",
    "Policy",
    "Reason",
    "ResultTable",
    "RoutedResult",
    "Source",
    "StrictIK",
    "TableLayout",
    "batch_inference",
    "explain",
    "held_out",
    "judge_freshness",
    "reject_on_bottom",
    "reject_on_gap",
    "route_to_analytic_solver",
    "safe_sentinel",
]
