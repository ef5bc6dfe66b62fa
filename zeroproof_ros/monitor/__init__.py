"""Watching what was served: rates, drift, alerts, latency, events; the clock is an argument."""

from zeroproof_ros.monitor.alerts import AlertReport, Alerts
from zeroproof_ros.monitor.bottom_rows import BottomRows
from zeroproof_ros.monitor.counts import RowCounts, count_rows
from zeroproof_ros.monitor.drift import DriftSettings, DriftTest, ValidatedRates
from zeroproof_ros.monitor.event_files import EventHistory, read_events
from zeroproof_ros.monitor.event_log import EventLog, iso_utc
from zeroproof_ros.monitor.events import EventLogger, JsonlLogger, event_line
from zeroproof_ros.monitor.findings import AlertSettings, Observation
from zeroproof_ros.monitor.histogram import QHistogram
from zeroproof_ros.monitor.latency import LatencyWindow
from zeroproof_ros.monitor.masks import MaskCounts, count_masks
from zeroproof_ros.monitor.rates import Rates
from zeroproof_ros.monitor.scm import SCMMonitor
from zeroproof_ros.monitor.state import LastBatches, monitor_state, write_state
from zeroproof_ros.monitor.strict import StrictInferenceMonitor
from zeroproof_ros.monitor.windows import RateMonitor, Span

__all__ = [
    "AlertReport",
    "AlertSettings",
    "Alerts",
    "BottomRows",
    "DriftSettings",
    "DriftTest",
    "EventHistory",
    "EventLog",
    "EventLogger",
    "JsonlLogger",
    "LastBatches",
    "LatencyWindow",
    "MaskCounts",
    "Observation",
    "QHistogram",
    "RateMonitor",
    "Rates",
    "RowCounts",
    "SCMMonitor",
    "Span",
    "StrictInferenceMonitor",
    "ValidatedRates",
    "count_masks",
    "count_rows",
    "event_line",
    "iso_utc",
    "monitor_state",
    "read_events",
    "write_state",
]
