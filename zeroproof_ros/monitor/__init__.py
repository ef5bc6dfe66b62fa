"""Counting what was served: rates, windows, latency, events; the clock is an argument."""

from zeroproof_ros.monitor.counts import RowCounts, count_rows
from zeroproof_ros.monitor.events import EventLogger, JsonlLogger, event_line
from zeroproof_ros.monitor.latency import LatencyWindow
from zeroproof_ros.monitor.masks import MaskCounts, count_masks
from zeroproof_ros.monitor.rates import RateMonitor, Rates
from zeroproof_ros.monitor.scm import SCMMonitor
from zeroproof_ros.monitor.strict import StrictInferenceMonitor

__all__ = [
    "EventLogger",
    "JsonlLogger",
    "LatencyWindow",
    "MaskCounts",
    "RateMonitor",
    "Rates",
    "RowCounts",
    "SCMMonitor",
    "StrictInferenceMonitor",
    "count_masks",
    "count_rows",
    "event_line",
]
