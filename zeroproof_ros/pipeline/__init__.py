"""Rows in, verified rows out: decode, check, fallback, limits; no I/O, no clock, no ROS."""

from zeroproof_ros.pipeline.explain import explain
from zeroproof_ros.pipeline.freshness import Freshness, judge_freshness
from zeroproof_ros.pipeline.policy import Policy
from zeroproof_ros.pipeline.strict_ik import StrictIK
from zeroproof_ros.pipeline.table import Reason, ResultTable, Source, TableLayout

__all__ = [
    "Freshness",
    "Policy",
    "Reason",
    "ResultTable",
    "Source",
    "StrictIK",
    "TableLayout",
    "explain",
    "judge_freshness",
]
