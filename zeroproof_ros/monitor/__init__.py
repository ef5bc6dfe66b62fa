"""Counting what was served: rates, windows, latency, events; the clock is an argument."""

from zeroproof_ros.monitor.counts import RowCounts, count_rows
from zeroproof_ros.monitor.events import EventLog, event_line
from zeroproof_ros.monitor.latency import LatencyWindow
from zeroproof_ros.monitor.rates import RateMonitor, Rates

__all__ = [
    "EventLog",
    "LatencyWindow",
    "RateMonitor",
    "Rates",
    "RowCounts",
    "count_rows",
    "event_line",
]
