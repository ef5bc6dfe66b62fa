"""Counting what was served: rates, windows, latency, events; the clock is an argument."""

from zeroproof_ros.monitor.bottom_rows import BottomRows
from zeroproof_ros.monitor.counts import RowCounts, count_rows
from zeroproof_ros.monitor.event_files import EventHistory, read_events
from zeroproof_ros.monitor.event_log import EventLog
from zeroproof_ros.monitor.events import EventLogger, JsonlLogger, event_line
from zeroproof_ros.monitor.latency import LatencyWindow
from zeroproof_ros.monitor.masks import MaskCounts, count_masks
from zeroproof_ros.monitor.rates import RateMonitor, Rates
from zeroproof_ros.monitor.scm import SCMMonitor
from zeroproof_ros.monitor.state import LastBatches, write_state
from zeroproof_ros.monitor.strict import StrictInferenceMonitor

__all__ = [
    "BottomRows",
    "EventHistory",
    "EventLog",
    "EventLogger",
    "JsonlLogger",
    "LastBatches",
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
    "read_events",
    "write_state",
]
