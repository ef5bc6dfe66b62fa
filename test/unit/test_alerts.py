"""Alerts: nothing flickers, nothing is raised early, every sentence has its figures."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest
from counted_rows import rows_of
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.errors import ConfigError
from zeroproof_ros.monitor import (
    Alerts,
    AlertSettings,
    DriftSettings,
    DriftTest,
    Observation,
    RowCounts,
    ValidatedRates,
    count_rows,
)
from zeroproof_ros.monitor.alerts import Alert
from zeroproof_ros.monitor.findings import RULES, Finding

NO_DRIFT = DriftTest(None, DriftSettings())
QUIET = Observation(
    total=RowCounts(),
    window=RowCounts(),
    silence=0.0,
    drift=NO_DRIFT,
    no_drift="the bundle has no validated rates",
    topic="/result",
    publishers=1,
    incompatible=0,
    publisher_seen=True,
    watched=1.0,
    unreadable=0,
    unreadable_age=math.inf,
    unreadable_error="",
)
SETTINGS = AlertSettings()
GOOD_ROWS = ["model"] * 80


def seen(*kinds: str, before: tuple[str, ...] = (), **changes: Any) -> Observation:
    """An observation of rows in the window, and of others before them."""
    window = count_rows(rows_of(*kinds))
    total = window + count_rows(rows_of(*before))
    return replace(QUIET, total=total, window=window, **changes)


def found(name: str, observation: Observation, settings: AlertSettings = SETTINGS) -> Finding:
    (rule,) = (rule for rule in RULES if rule.name == name)
    return rule.find(observation, settings)


def finding(badness: float | None, bound: float = 1.0) -> Finding:
    return Finding(badness, bound, f"badness {badness}", {})


# The machine

steps = st.lists(
    st.tuples(
        st.floats(0.0, 3.0), st.none() | st.sampled_from([0.0, 0.9, 0.95, 1.0, 1.01, math.nan])
    ),
    max_size=60,
)


@given(steps=steps, hold=st.sampled_from([0.0, 1.0, 2.5]), hysteresis=st.sampled_from([0.0, 0.1]))
def test_what_turns_has_held_all_along(steps: Any, hold: float, hysteresis: float) -> None:
    """By the definition, from the whole history: the condition held at every look since `hold`."""
    alert, now, history = Alert(), 0.0, []
    for wait, badness in steps:
        now += wait
        was, changed_before = alert.raised, alert.since
        history.append((now, badness))
        changed = alert.update(finding(badness), now, hold=hold, hysteresis=hysteresis)
        assert changed == (alert.raised != was)

        def turns(b: float | None, was: bool = was) -> bool:
            if b is None:
                return False
            return b <= (1.0 - hysteresis) * 1.0 if was else b > 1.0

        since = now
        for time, b in reversed(history):
            if not turns(b):
                break
            since = time
        held = turns(badness) and now - since >= hold
        assert changed == held
        if changed:
            # the history that led to this state has done its work
            history.clear()
        assert alert.since == (now if changed and alert.raised else changed_before)


@given(badnesses=st.lists(st.floats(0.9, 1.0, exclude_min=True), min_size=1), raised=st.booleans())
def test_inside_the_band_nothing_changes(badnesses: list[float], raised: bool) -> None:
    alert = Alert(raised=raised)
    for now, badness in enumerate(badnesses):
        assert not alert.update(finding(badness), float(now), hold=0.0, hysteresis=0.1)
    assert alert.raised == raised


def test_what_can_not_be_judged_leaves_an_alert_as_it_is_and_ends_what_held() -> None:
    alert = Alert()
    for now, badness, changed in (
        (0.0, 2.0, False),
        (0.9, None, False),
        (1.0, 2.0, False),
        (1.9, 2.0, False),
        (2.0, 2.0, True),
        (2.5, 0.0, False),
        (3.0, None, False),
        (9.0, 0.0, False),
        (10.0, 0.0, True),
    ):
        assert alert.update(finding(badness), now, hold=1.0, hysteresis=0.1) == changed, now


# What is judged


@pytest.mark.parametrize(
    ("name", "at_bound", "beyond"),
    [
        ("coverage", ["bottom"] * 5 + ["gap"] * 5 + ["model"] * 90, ["gap"]),
        ("coverage", ["gap"] * 2 + ["model"] * 18, ["gap"]),
        ("gap", ["gap"] * 5 + ["model"] * 95, ["risky"]),
        ("bottom", ["bottom"] * 10 + ["model"] * 90, ["bad"]),
        ("fallback_failing", ["failed"] * 5 + ["stale"] * 5 + ["model"] * 90, ["failed"]),
        ("reject", ["bottom"] * 50 + ["gap"] * 50, ["stale"]),
    ],
)
def test_a_share_is_bad_beyond_its_bound_and_not_at_it(
    name: str, at_bound: list[str], beyond: list[str]
) -> None:
    good, bad = found(name, seen(*at_bound)), found(name, seen(*at_bound, *beyond))
    assert good.badness is not None
    assert bad.badness is not None
    assert good.badness <= good.bound
    assert bad.badness > bad.bound
    rows = len(at_bound) + len(beyond)
    assert f" of {rows} rows in the last 10 s, at " in bad.text
    assert f"{bad.figures.get('share', bad.figures.get('coverage')):.4f}" in bad.text


def test_a_rise_is_the_window_against_all_before_it() -> None:
    before = ("bottom",) * 10 + ("model",) * 90
    good = found("bottom_rise", seen(*["bottom"] * 6, *["model"] * 14, before=before))
    bad = found("bottom_rise", seen(*["bottom"] * 7, *["model"] * 13, before=before))
    assert (good.badness, bad.badness) == pytest.approx((0.2, 0.25))
    assert bad.text == (
        "bottom rate 0.3500 of 20 rows in the last 10 s, 0.1000 of 100 rows before, "
        "a rise of at most 0.2 expected"
    )
    assert found("bottom_rise", seen(*["model"] * 20, before=before)).badness == pytest.approx(-0.1)
    few = found("bottom_rise", seen(*["bottom"] * 20, before=("model",) * 19))
    assert few.badness is None
    assert few.text == "not judged: 19 rows before the window, at least 20 needed"


@pytest.mark.parametrize("rows", [0, 19])
def test_a_window_of_few_rows_judges_no_share(rows: int) -> None:
    observation = seen(*["bad"] * rows)
    for name in ("coverage", "gap", "bottom", "bottom_rise", "fallback_failing", "reject"):
        few = found(name, observation)
        assert few.badness is None
        assert few.text == f"not judged: {rows} rows in the last 10 s, at least 20 needed"
    assert found("coverage", observation, replace(SETTINGS, min_rows=rows or 1)).badness == (
        1.0 if rows else None
    )


def test_drift_says_what_it_compares() -> None:
    drift = DriftTest(ValidatedRates(0.9, 0.06, 0.04, 50), DriftSettings())
    assert found("drift", replace(QUIET, drift=drift)).text.startswith(
        "bottom: validated 0.0769, evidence of a rise by 0.1000 is 0.0 of "
    )
    drift.update(rows_of(*["bottom"] * 1000))
    bad = found("drift", replace(QUIET, drift=drift))
    assert (bad.badness, bad.bound) == (1.0, 0.0)
    assert "(1000 of 1000 rows since it began); uncovered: validated" in bad.text
    none = found("drift", QUIET)
    assert (none.badness, none.text) == (
        0.0,
        "not judged: the bundle has no validated rates",
    )


def test_silence_is_judged_by_its_timeout() -> None:
    for silence, rows, text in (
        (10.0, GOOD_ROWS, "the last row came 10.0 s ago, at most 10 s expected"),
        (12.5, [], "no rows for 12.5 s, at most 10 s expected"),
    ):
        finding = found("silence", seen(*rows, silence=silence))
        assert (finding.badness, finding.bound, finding.text) == (silence, 10.0, text)
    never = found("silence", replace(QUIET, silence=1e9), replace(SETTINGS, silence_timeout=0.0))
    assert (never.badness, never.bound) == (0.0, 0.0)
    assert never.text == "not judged: silence_timeout is 0"


@pytest.mark.parametrize(
    ("publishers", "was_there", "watched", "timeout", "gone"),
    [
        (1, True, 99.0, 10.0, False),
        (0, True, 0.1, 10.0, True),
        (0, True, 0.1, 0.0, True),
        (0, False, 10.0, 10.0, False),
        (0, False, 10.1, 10.0, True),
        (0, False, 1e9, 0.0, False),
    ],
)
def test_a_node_is_gone_that_was_there_or_never_came(
    publishers: int, was_there: bool, watched: float, timeout: float, gone: bool
) -> None:
    finding = found(
        "node_gone",
        replace(QUIET, publishers=publishers, publisher_seen=was_there, watched=watched),
        replace(SETTINGS, silence_timeout=timeout),
    )
    assert (finding.badness, finding.bound) == (float(gone), 0.0)
    assert "/result" in finding.text


def test_unreadable_results_are_told_for_a_window() -> None:
    assert found("unreadable", QUIET).badness == 0.0
    for age, bad in ((0.0, 1.0), (10.0, 1.0), (10.1, 0.0)):
        finding = found(
            "unreadable",
            replace(QUIET, unreadable=3, unreadable_age=age, unreadable_error="not a result"),
        )
        assert finding.badness == bad
        assert finding.text == (
            f"3 results could not be read, the last {age:.1f} s ago: not a result"
        )


def test_publishers_that_can_not_be_heard() -> None:
    good = found("incompatible_qos", QUIET)
    assert good.text == "0 of 1 publishers of /result have incompatible QoS"
    bad = found("incompatible_qos", replace(QUIET, publishers=2, incompatible=1))
    assert bad.badness == 1.0
    assert bad.text == (
        "1 of 2 publishers of /result have incompatible QoS, nothing comes from them"
    )


# All together


def test_reports_carry_the_figures_the_bound_and_the_time() -> None:
    alerts, bad = Alerts(), seen(*["gap"] * 8, *["model"] * 72)
    good = seen(*GOOD_ROWS)

    def report(observation: Observation, now: float) -> Any:
        reports = alerts.judge(observation, SETTINGS, now)
        assert [r.name for r in reports] == [rule.name for rule in RULES]
        assert [r.name for r in reports if r.raised or r.changed] in ([], ["gap"])
        return next(r for r in reports if r.name == "gap")

    text = "gap rate 0.1000 of 80 rows in the last 10 s, at most 0.05 expected"
    first = report(bad, 100.0)
    assert (first.raised, first.changed, first.message, first.seconds) == (False, False, text, 0.0)
    raised = report(bad, 102.0)
    assert (raised.raised, raised.changed) == (True, True)
    assert raised.figures == {"share": 0.1, "rows": 80, "badness": 0.1, "bound": 0.05}
    assert raised.message == f"{text}; raised for 0 s"
    assert report(bad, 107.0).message == f"{text}; raised for 5 s"
    # an empty window does not clear it, and says what is known
    unknown = report(seen(), 110.0)
    assert (unknown.raised, unknown.changed) == (True, False)
    assert unknown.message == (
        f"not judged: 0 rows in the last 10 s, at least 20 needed; before: {text}; raised for 8 s"
    )
    assert report(good, 111.0).raised
    cleared = report(good, 113.0)
    assert (cleared.raised, cleared.changed, cleared.seconds) == (False, True, 11.0)
    assert cleared.message == "gap rate 0.0000 of 80 rows in the last 10 s, at most 0.05 expected"
    assert report(good, 114.0).seconds == 0.0


def test_reset_clears_what_was_raised_and_forgets_what_held() -> None:
    alerts, bad = Alerts(), seen(*["bottom"] * 80)
    for now in (0.0, 2.0):
        raised = [r.name for r in alerts.judge(bad, SETTINGS, now) if r.raised]
    assert raised == ["coverage", "bottom"]
    cleared = alerts.reset(5.0)
    assert [(r.name, r.raised, r.changed, r.seconds) for r in cleared] == [
        ("coverage", False, True, 3.0),
        ("bottom", False, True, 3.0),
    ]
    assert alerts.reset(6.0) == ()
    assert not any(r.raised for r in alerts.judge(bad, SETTINGS, 6.0))


def test_errors_are_where_nobody_serves_or_nobody_sees() -> None:
    assert {rule.name for rule in RULES if rule.error} == {
        "fallback_failing",
        "node_gone",
        "unreadable",
        "incompatible_qos",
    }


@pytest.mark.parametrize("hold", [10.0, 11.0])
def test_a_hold_longer_than_the_window_is_refused(hold: float) -> None:
    with pytest.raises(ConfigError, match=f"alert_hold is {hold:g} s, expected less than window"):
        AlertSettings(alert_hold=hold)


@given(kinds=st.lists(st.sampled_from(["model", "gap", "bottom", "failed", "stale"]), max_size=60))
def test_every_finding_is_finite_and_a_sentence(kinds: list[str]) -> None:
    observation = seen(*kinds, before=tuple(kinds))
    for rule in RULES:
        finding = rule.find(observation, SETTINGS)
        assert finding.text
        assert all(math.isfinite(value) for value in finding.figures.values())
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_every_setting_makes_a_difference() -> None:
    """No parameter is accepted that changes nothing."""
    before = ("model",) * 60
    bad = seen(*["bottom"] * 20, *["failed"] * 10, *["risky"] * 10, before=before)
    bad = replace(bad, silence=5.0, unreadable=1, unreadable_age=5.0)
    changes: dict[str, Any] = {
        field.name: 0.99 for field in fields(AlertSettings) if field.name.endswith("_max")
    } | {"window": 4.0, "min_rows": 41, "coverage_min": 0.0, "silence_timeout": 4.0}
    machine = {"alert_hold", "hysteresis"}
    assert {*changes, *machine} == {field.name for field in fields(AlertSettings)}
    judged = [rule.find(bad, SETTINGS) for rule in RULES]
    for name, value in changes.items():
        changed = [rule.find(bad, replace(SETTINGS, **{name: value})) for rule in RULES]
        assert changed != judged, name
