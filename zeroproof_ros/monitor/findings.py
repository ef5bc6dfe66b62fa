"""What alerts are judged by: figures, bounds and a sentence for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zeroproof_ros.contract import Reason, Source
from zeroproof_ros.errors import ConfigError
from zeroproof_ros.monitor.counts import RowCounts
from zeroproof_ros.monitor.drift import DriftTest


@dataclass(frozen=True)
class AlertSettings:
    """Bounds of the alerts; README describes each.

    Raises:
        ConfigError: the values do not fit together.
    """

    window: float = 10.0
    min_rows: int = 20
    coverage_min: float = 0.90
    gap_max: float = 0.05
    bottom_max: float = 0.10
    bottom_rise_max: float = 0.20
    fallback_failed_max: float = 0.05
    reject_max: float = 0.0
    silence_timeout: float = 10.0
    alert_hold: float = 2.0
    hysteresis: float = 0.1

    def __post_init__(self) -> None:
        if self.alert_hold >= self.window:
            # what is out of the window again can not have held for so long
            raise ConfigError(
                f"alert_hold is {self.alert_hold:g} s, expected less than window, which is "
                f"{self.window:g} s",
                found=self.alert_hold,
                expected=self.window,
            )


@dataclass(frozen=True)
class Observation:
    """What is known at one moment.

    Attributes:
        total, window: rows since the start or reset, and those of them in the sliding window.
        silence: how long no row has come [s].
        drift: the test of the bundle that serves, and `no_drift` why it tests nothing.
        topic: where results come from.
        publishers: how many publish there now, `incompatible` of them with a QoS that does not fit.
        publisher_seen: whether there has been one.
        watched: how long this has been watched [s].
        unreadable: how many results could not be read, `unreadable_age` how long ago [s] the last
            came and `unreadable_error` what was wrong with it.
    """

    total: RowCounts
    window: RowCounts
    silence: float
    drift: DriftTest
    no_drift: str
    topic: str
    publishers: int
    incompatible: int
    publisher_seen: bool
    watched: float
    unreadable: int
    unreadable_age: float
    unreadable_error: str


@dataclass(frozen=True)
class Finding:
    """What one alert is about.

    Attributes:
        badness: the figure that is judged, None where it can not be.
        bound: the most that is good.
        text: the figures and what is expected, in a sentence.
        figures: by name.
    """

    badness: float | None
    bound: float
    text: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Rule:
    """An alert.

    Attributes:
        name: as diagnostics and events tell it.
        error: where nobody serves the rows or nobody watches them; else it is a warning, that they
            are served otherwise than the bundle promised.
        find: what there is to judge.
    """

    name: str
    error: bool
    find: Callable[[Observation, AlertSettings], Finding]


def _too_few(rows: int, settings: AlertSettings) -> Finding | None:
    if rows >= settings.min_rows:
        return None
    text = (
        f"not judged: {rows} rows in the last {settings.window:g} s, "
        f"at least {settings.min_rows} needed"
    )
    return Finding(None, 0.0, text, {"rows": rows})


def _coverage(seen: Observation, settings: AlertSettings) -> Finding:
    counts, least = seen.window, settings.coverage_min
    if few := _too_few(counts.rows, settings):
        return few
    coverage = counts.covered / counts.rows
    return Finding(
        1.0 - coverage,
        1.0 - least,
        f"coverage {coverage:.4f} of {counts.rows} rows in the last {settings.window:g} s, "
        f"at least {least:g} expected",
        {"coverage": coverage, "rows": counts.rows},
    )


def _share(
    what: str, count: Callable[[RowCounts], int], bound: str
) -> Callable[[Observation, AlertSettings], Finding]:
    """Of a share of the rows in the window that has to stay below a setting."""

    def find(seen: Observation, settings: AlertSettings) -> Finding:
        counts, most = seen.window, getattr(settings, bound)
        if few := _too_few(counts.rows, settings):
            return few
        share = count(counts) / counts.rows
        return Finding(
            share,
            most,
            f"{what} {share:.4f} of {counts.rows} rows in the last {settings.window:g} s, "
            f"at most {most:g} expected",
            {"share": share, "rows": counts.rows},
        )

    return find


def _bottom_rise(seen: Observation, settings: AlertSettings) -> Finding:
    """Bottom rate of the window minus that of all rows before it."""
    now, most = seen.window, settings.bottom_rise_max
    rows = seen.total.rows - now.rows
    if few := _too_few(now.rows, settings):
        return few
    if rows < settings.min_rows:
        text = f"not judged: {rows} rows before the window, at least {settings.min_rows} needed"
        return Finding(None, most, text, {"rows": now.rows, "rows_before": rows})
    before = (seen.total.bottom - now.bottom) / rows
    rate = now.bottom / now.rows
    return Finding(
        rate - before,
        most,
        f"bottom rate {rate:.4f} of {now.rows} rows in the last {settings.window:g} s, "
        f"{before:.4f} of {rows} rows before, a rise of at most {most:g} expected",
        {"bottom_rate": rate, "before": before, "rows": now.rows, "rows_before": rows},
    )


def _drift(seen: Observation, _: AlertSettings) -> Finding:
    texts, figures = [], {}
    for name, stream in seen.drift.streams.items():
        figures[f"{name}_evidence"] = stream.evidence
        figures[f"{name}_threshold"] = stream.threshold
        rate = f"{stream.hits} of {stream.rows} rows since it began" if stream.rows else "none"
        texts.append(
            f"{name}: validated {stream.p0:.4f}, evidence of a rise by {stream.p1 - stream.p0:.4f} "
            f"is {stream.evidence:.1f} of {stream.threshold:.1f} ({rate})"
        )
    text = "; ".join(texts) or f"not judged: {seen.no_drift}"
    return Finding(float(seen.drift.raised), 0.0, text, figures)


def _silence(seen: Observation, settings: AlertSettings) -> Finding:
    most = settings.silence_timeout
    if not most:
        return Finding(0.0, 0.0, "not judged: silence_timeout is 0", {})
    text = f"the last row came {seen.silence:.1f} s ago, at most {most:g} s expected"
    if not seen.total.rows:
        text = f"no rows for {seen.silence:.1f} s, at most {most:g} s expected"
    return Finding(seen.silence, most, text, {"silence": seen.silence})


def _node_gone(seen: Observation, settings: AlertSettings) -> Finding:
    figures = {"publishers": seen.publishers}
    if seen.publishers:
        return Finding(0.0, 0.0, f"{seen.publishers} publish {seen.topic}", figures)
    if seen.publisher_seen:
        return Finding(1.0, 0.0, f"nobody publishes {seen.topic} any more", figures)
    late = 0.0 < settings.silence_timeout < seen.watched
    return Finding(float(late), 0.0, f"nobody has published {seen.topic} yet", figures)


def _unreadable(seen: Observation, settings: AlertSettings) -> Finding:
    text = f"{seen.unreadable} results could not be read"
    if seen.unreadable:
        text += f", the last {seen.unreadable_age:.1f} s ago: {seen.unreadable_error}"
    bad = seen.unreadable > 0 and seen.unreadable_age <= settings.window
    return Finding(float(bad), 0.0, text, {"results_unreadable": seen.unreadable})


def _incompatible_qos(seen: Observation, _: AlertSettings) -> Finding:
    text = f"{seen.incompatible} of {seen.publishers} publishers of {seen.topic} have incompatible "
    return Finding(
        float(seen.incompatible),
        0.0,
        text + "QoS" + (", nothing comes from them" if seen.incompatible else ""),
        {"incompatible_qos": seen.incompatible},
    )


RULES = (
    Rule("coverage", False, _coverage),
    Rule("gap", False, _share("gap rate", lambda c: c.gap, "gap_max")),
    Rule("bottom", False, _share("bottom rate", lambda c: c.bottom, "bottom_max")),
    Rule("bottom_rise", False, _bottom_rise),
    Rule(
        "fallback_failing",
        True,
        _share(
            "share of failed fallbacks",
            lambda c: c.reasons[Reason.FALLBACK_FAILED],
            "fallback_failed_max",
        ),
    ),
    Rule("reject", False, _share("reject rate", lambda c: c.sources[Source.NONE], "reject_max")),
    Rule("drift", False, _drift),
    Rule("silence", False, _silence),
    Rule("node_gone", True, _node_gone),
    Rule("unreadable", True, _unreadable),
    Rule("incompatible_qos", True, _incompatible_qos),
)
