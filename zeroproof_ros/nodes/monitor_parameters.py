"""The parameters of monitor_node; README's table of them is checked against this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from zeroproof_ros.monitor import AlertSettings, DriftSettings
from zeroproof_ros.nodes.parameters import ParameterSpec

DEFAULT = AlertSettings()
# The parameters of `DriftSettings` begin with this.
DRIFT = "drift_"


def _drift(name: str, description: str, minimum: float, maximum: float) -> ParameterSpec:
    """A parameter of `DriftSettings` that may be changed at run time."""
    default = getattr(DriftSettings(), name)
    return ParameterSpec(DRIFT + name, default, description, minimum, maximum, dynamic=True)


def _alert(name: str, description: str, minimum: float, maximum: float) -> ParameterSpec:
    """A parameter of `AlertSettings` that may be changed at run time."""
    default = getattr(DEFAULT, name)
    return ParameterSpec(name, default, description, minimum, maximum, dynamic=True)


PARAMETERS = (
    ParameterSpec("window", DEFAULT.window, "Length of the sliding window [s].", 0.1, 86400.0),
    ParameterSpec("window_rows", 1000, "How many of the last rows `last` counts.", 1, 100_000),
    ParameterSpec("rate", 1.0, "How often rates are published [Hz].", 0.01, 100.0),
    ParameterSpec("event_file", "", "JSONL file that events are appended to; empty for none."),
    ParameterSpec(
        "event_file_bytes",
        10_000_000,
        "Size at which the event file becomes event_file.1, and that one event_file.2.",
        1000,
        10**12,
    ),
    ParameterSpec("event_files", 5, "How many event files there are at most.", 2, 1000),
    ParameterSpec(
        "bottom_rows_per_second",
        10.0,
        "How many rows without a value become an event per second; the others are counted.",
        0.0,
        10_000.0,
    ),
    ParameterSpec(
        "bottom_rows_burst", 100, "How many of them after a time without any.", 1, 100_000
    ),
    ParameterSpec(
        "state_file", "", "JSON file that ~/export_state writes; empty to have it in the answer."
    ),
    _alert("min_rows", "A window with fewer rows judges nothing.", 1, 1_000_000),
    _alert("coverage_min", "Alert coverage: the least of the window.", 0.0, 1.0),
    _alert("gap_max", "Alert gap: the largest gap rate of the window.", 0.0, 1.0),
    _alert("bottom_max", "Alert bottom: the largest bottom rate of the window.", 0.0, 1.0),
    _alert(
        "bottom_rise_max",
        "Alert bottom_rise: the most by which the bottom rate of the window may be above that of "
        "all rows before it.",
        0.0,
        1.0,
    ),
    _alert(
        "fallback_failed_max",
        "Alert fallback_failing: the largest share of the window's rows that the solver failed at.",
        0.0,
        1.0,
    ),
    _alert(
        "reject_max",
        "Alert reject: the largest share of the window's rows that nobody served.",
        0.0,
        1.0,
    ),
    _alert(
        "silence_timeout",
        "Alert silence: the longest time without a row [s], 0 for any; and how long node_gone "
        "waits for the first publisher.",
        0.0,
        86400.0,
    ),
    _drift(
        "margin",
        "Alert drift: the rise of a rate above the validated one that shall be found; a change of "
        "this or the next two starts the test again.",
        0.001,
        0.5,
    ),
    _drift("burst", "Rows without a value on end that alone are no drift.", 0, 100_000),
    _drift("false_alarm", "The most false alarms per independent row.", 1e-12, 0.1),
    _alert(
        "alert_hold",
        "How long a bound has to be broken before an alert is raised, and kept before it is "
        "cleared [s]; less than window.",
        0.0,
        3600.0,
    ),
    _alert(
        "hysteresis",
        "An alert is cleared this share below its bound: with 0.1 the gap alert at 0.045.",
        0.0,
        0.99,
    ),
)


def alert_settings_of(settings: Mapping[str, Any]) -> AlertSettings:
    """The settings of the alerts that parameter values make.

    Raises:
        ConfigError: the values do not fit together.
    """
    return AlertSettings(**{field.name: settings[field.name] for field in fields(AlertSettings)})


def drift_settings_of(settings: Mapping[str, Any]) -> DriftSettings:
    """The settings of the drift test that parameter values make."""
    names = [field.name for field in fields(DriftSettings)]
    return DriftSettings(**{name: settings[DRIFT + name] for name in names})
