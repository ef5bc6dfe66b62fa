"""Alerts of a monitor_node: what raises them over real topics, what clears them, what they say."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from client import Client
from lifecycle_msgs.msg import Transition
from monitor_harness import Monitor, start_monitor
from node_process import Start
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from strict_harness import BOTTOM, BUNDLE, GAP, GOOD, Serve, rows_of, stamped

from zeroproof_ros.messages.diagnostics import ERROR, OK, WARN, values_from_msg
from zeroproof_ros.messages.rates import rates_from_msg
from zeroproof_ros.messages.results import result_to_msg
from zeroproof_ros.monitor.findings import RULES

Watch = Callable[..., Monitor]


@pytest.fixture
def watch(client: Client, start: Start, tmp_path: Path, names: Any) -> Watch:
    """Starts a monitor; topics are named after it where they are not given."""

    def watch(topics: str = "", **parameters: Any) -> Monitor:
        name = f"watch_{next(names)}"
        file = tmp_path / name / "events.jsonl"
        return start_monitor(client, start, name, topics or f"/{name}_seen", file, **parameters)

    return watch


@pytest.fixture
def feed(client: Client, solver: Any) -> Callable[..., Callable[[], None]]:
    """Makes what publishes a result of these rows to a monitor each time it is called."""
    publishers: dict[str, Any] = {}

    def feed(monitor: Monitor, *rows: tuple[float, ...], **policy: Any) -> Callable[[], None]:
        topic = f"/{monitor.name}_seen/result"
        if topic not in publishers:
            publishers[topic] = client.publisher(PointCloud2, topic)
        message = result_to_msg(solver(**policy).solve(rows_of(*rows)), Header())
        return lambda: publishers[topic].publish(message)

    return feed


def test_coverage_falls_and_recovers(watch: Watch, feed: Any) -> None:
    monitor = watch(window=1.0)
    good, poor = feed(monitor, *[GOOD] * 30), feed(monitor, *[GOOD] * 15, *[BOTTOM] * 15)
    good()
    status = monitor.wait_for_status("coverage", OK, "coverage 1.0000 of ", meanwhile=good)
    assert float(values_from_msg(status)["coverage"]) == 1.0
    monitor.wait_for_status(
        "coverage", WARN, "in the last 1 s, at least 0.9 expected; raised for ", meanwhile=poor
    )
    # the rates say the worst of all
    monitor.wait_for_status("rates", WARN, "coverage: coverage 0.", meanwhile=poor)
    monitor.wait_for_status("coverage", OK, "coverage 1.0000", meanwhile=good)
    monitor.wait_for_status("rates", OK, "coverage 1.0000, gap rate 0.0000", meanwhile=good)
    raised, cleared = monitor.alert_events("coverage")
    assert (raised["event"], raised["level"]) == ("alert_raised", WARN)
    assert raised["message"].endswith("; raised for 0 s")
    assert raised["figures"]["bound"] == pytest.approx(0.1)
    figures = raised["figures"]
    assert 0.1 < figures["badness"] == pytest.approx(1.0 - figures["coverage"])
    assert (cleared["event"], cleared["figures"]["coverage"]) == ("alert_cleared", 1.0)
    assert cleared["seconds"] == pytest.approx(
        (cleared["stamp_ns"] - raised["stamp_ns"]) * 1e-9, abs=0.05
    )


def test_a_sudden_rise_of_bottom(watch: Watch, feed: Any) -> None:
    # no other alert minds
    monitor = watch(window=1.0, coverage_min=0.0, bottom_max=1.0)
    good, poor = feed(monitor, *[GOOD] * 30), feed(monitor, *[GOOD] * 21, *[BOTTOM] * 9)
    for _ in range(5):
        good()
    monitor.wait_for_rows(150)
    monitor.wait_for_rows(0, "window")
    poor()
    monitor.wait_for_status(
        "bottom_rise",
        WARN,
        "bottom rate 0.3000 of 30 rows in the last 1 s, 0.0000 of 150 rows before, a rise of at "
        "most 0.2 expected; raised for 0 s",
    )
    assert [event["alert"] for event in monitor.events() if "alert" in event] == ["bottom_rise"]
    monitor.wait_for_rows(0, "window")
    monitor.wait_for_status("bottom_rise", WARN, "not judged: 0 rows in the last 1 s")
    monitor.wait_for_status("bottom_rise", OK, meanwhile=good)


def test_rejected_rows_and_a_solver_that_fails(watch: Watch, feed: Any) -> None:
    monitor = watch(window=2.0)
    reject = feed(monitor, *[GOOD] * 28, BOTTOM, BOTTOM, bottom_policy="reject")
    monitor.wait_for_status("reject", WARN, "at most 0 expected; raised", meanwhile=reject)
    assert not monitor.alert_events("fallback_failing")
    fail = feed(monitor, *[GOOD] * 10, motion_tolerance=1e-6, residual_tolerance=1e-9)
    monitor.wait_for_status(
        "fallback_failing", ERROR, "share of failed fallbacks 0.", meanwhile=fail
    )
    monitor.wait_for_status("rates", ERROR, "fallback_failing: share of", meanwhile=fail)


def test_a_node_that_falls_silent_and_one_that_is_gone(watch: Watch, serve: Serve) -> None:
    node = serve(target_type="multi_array", command_type="multi_array")
    monitor = watch(f"/{node.name}", silence_timeout=0.5)

    def targets() -> None:
        node.publisher.publish(node.target(GOOD))

    monitor.wait_for_status("silence", OK, "the last row came", meanwhile=targets)
    monitor.wait_for_status("node_gone", OK, f"1 publish /{node.name}/result")
    monitor.wait_for_status("silence", WARN, " s ago, at most 0.5 s expected; raised for ")
    monitor.wait_for_status("silence", OK, "the last row came", meanwhile=targets)
    node.process.signal(signal.SIGINT)
    node.process.ended_well()
    monitor.wait_for_status(
        "node_gone", ERROR, f"nobody publishes /{node.name}/result any more; raised for "
    )
    assert [event["event"] for event in monitor.alert_events("node_gone")] == ["alert_raised"]


def test_a_node_that_never_comes(watch: Watch) -> None:
    patient, waiting = watch(silence_timeout=0.0), watch(silence_timeout=0.5)
    waiting.wait_for_status("silence", WARN, "no rows for ")
    topic = f"/{waiting.name}_seen/result"
    waiting.wait_for_status("node_gone", ERROR, f"nobody has published {topic} yet; raised")
    patient.wait_for_status("silence", OK, "not judged: silence_timeout is 0")
    patient.wait_for_status("node_gone", OK, "nobody has published")
    patient.wait_for_status("rates", OK, "no rows in the last 10 s")


RATES = {"coverage": 0.97, "bottom_rate": 0.02, "gap_rate": 0.01, "total_predictions": 10_000}


def test_drift_from_what_the_bundle_was_validated_with(
    watch: Watch, serve: Serve, other_bundle: Any
) -> None:
    deployment = json.loads((BUNDLE / "metadata.json").read_text("utf-8"))["deployment"]
    thresholds = {"tau_infer": 0.02, "tau_train": 0.05}
    validated = other_bundle(**thresholds, deployment=deployment | {"validation": {"rates": RATES}})
    bare = other_bundle("bare", **thresholds, deployment=deployment)
    node = serve(bundle_dir=str(validated), target_type="multi_array", command_type="multi_array")
    # a window that knows nothing, so that it is drift that is judged
    monitor = watch(f"/{node.name}", min_rows=1_000_000)
    status = monitor.wait_for_status("drift", OK, "bottom: validated 0.0201, evidence of a rise")
    assert status.hardware_id == values_from_msg(node.infos[-1])["bundle_dir"].rsplit("/")[-1] + (
        "@" + values_from_msg(node.infos[-1])["bundle_digest"][:12]
    )
    assert "; uncovered: validated 0.0301, " in status.message

    # a burst like on the way through a singularity
    node.ask(node.target(*[GOOD] * 50, *[BOTTOM] * 100, *[GOOD] * 50))
    monitor.wait_for_status("drift", OK, "(100 of 151 rows since it began)")
    # and more than that
    node.ask(node.target(*[BOTTOM] * 60, *[GOOD] * 10))
    status = monitor.wait_for_status("drift", WARN, "; raised for ")
    values = values_from_msg(status)
    assert 0 < float(values["uncovered_evidence"]) < float(values["uncovered_threshold"])
    (raised,) = monitor.alert_events("drift")
    assert (raised["event"], raised["level"]) == ("alert_raised", WARN)

    # enough good rows clear it
    node.ask(node.target(*[GOOD] * 2500))
    monitor.wait_for_status("drift", OK, "is 0.0 of ")
    # and so does a bundle that nothing is known of, for which nothing is judged
    node.ask(node.target(*[BOTTOM] * 1000))
    monitor.wait_for_status("drift", WARN, "raised for")
    assert node.set(bundle_dir=str(bare)).successful
    assert node.reload().success
    status = monitor.wait_for_status("drift", OK, "not judged: the bundle has no validated rates")
    assert status.hardware_id.startswith("bare@")
    assert [event["event"] for event in monitor.alert_events("drift")] == [
        *("alert_raised", "alert_cleared") * 2
    ]
    # the first one again starts at 0
    assert node.set(bundle_dir=str(validated)).successful
    assert node.reload().success
    monitor.wait_for_status("drift", OK, "is 0.0 of 1")
    # a reload of the same bundle is no new one
    node.ask(node.target(*[BOTTOM] * 50))
    monitor.wait_for_status("drift", OK, "(50 of 51 rows")
    infos = len(node.infos)
    assert node.reload().success
    assert node.set(gap_policy="reject").successful
    # nor is one that went and came back
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        assert node.change(transition)
    node.wait(lambda: len(node.infos) >= infos + 4, "~/info")
    monitor.wait_for_status("drift", OK, "(50 of 51 rows")


def test_parameters_take_effect_at_run_time(watch: Watch, feed: Any) -> None:
    monitor = watch(silence_timeout=0.0)
    mixed = feed(monitor, *[GOOD] * 16, *[GAP] * 2, *[BOTTOM] * 2)

    def set_to(**parameters: Any) -> None:
        result = monitor.set(**parameters)
        assert result.successful, result.reason

    for _ in range(5):
        mixed()
    for parameter, alert, lenient, strict, words in (
        ("coverage_min", "coverage", 0.5, 0.85, "at least 0.85 expected"),
        ("gap_max", "gap", 0.5, 0.09, "at most 0.09 expected"),
        ("bottom_max", "bottom", 0.5, 0.09, "at most 0.09 expected"),
    ):
        set_to(**{parameter: lenient})
        monitor.wait_for_status(alert, OK, f"{lenient:g} expected")
        set_to(**{parameter: strict})
        monitor.wait_for_status(alert, WARN, words)
    # the hysteresis: 0.1 is better than 0.105, and not by enough
    set_to(gap_max=0.105)
    monitor.wait_for_status("gap", WARN, "at most 0.105 expected")
    set_to(hysteresis=0.0)
    monitor.wait_for_status("gap", OK, "at most 0.105 expected")
    # the hold
    set_to(alert_hold=9.0)
    set_to(gap_max=0.01)
    monitor.wait_for_status("gap", OK, "at most 0.01 expected")
    set_to(alert_hold=0.0)
    monitor.wait_for_status("gap", WARN, "at most 0.01 expected")
    set_to(min_rows=1000)
    monitor.wait_for_status("gap", WARN, "not judged: 100 rows in the last 10 s, at least 1000")
    set_to(min_rows=1, reject_max=1, fallback_failed_max=1, bottom_rise_max=1)
    for alert in ("reject", "fallback_failing"):
        monitor.wait_for_status(alert, OK, "at most 1 expected")
    set_to(silence_timeout=0.3)
    monitor.wait_for_status("silence", WARN, "at most 0.3 s expected")
    set_to(silence_timeout=0)
    monitor.wait_for_status("silence", OK, "silence_timeout is 0")


def test_parameters_of_drift_start_the_test_again(watch: Watch, serve: Serve) -> None:
    bundle = Path(__file__).parents[2] / "config" / "bundles" / "planar_2r"
    node = serve(bundle_dir=str(bundle), target_type="multi_array", command_type="multi_array")
    monitor = watch(f"/{node.name}", min_rows=1_000_000)
    for parameters, words in (
        ({"drift_margin": 0.1}, "a rise by 0.1000 is 0.0 of 208.9"),
        ({"drift_margin": 0.2}, "a rise by 0.2000 is 0.0 of "),
        ({"drift_margin": 0.1, "drift_burst": 0}, "is 0.0 of 13.8"),
        ({"drift_false_alarm": 0.001}, "is 0.0 of 6.9"),
    ):
        # a sync is a good row, which is no evidence
        node.sync()
        result = monitor.set(**parameters)
        assert result.successful, result.reason
        monitor.wait_for_status("drift", OK, words)
    node.ask(node.target(*[BOTTOM] * 4))
    monitor.wait_for_status("drift", WARN, "raised for")
    assert monitor.set(drift_burst=200).successful
    monitor.wait_for_status("drift", OK, "is 0.0 of 397.")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("alert_hold", 10.0, "alert_hold is 10 s, expected less than window, which is 10 s"),
        ("coverage_min", 1.5, "coverage_min"),
        ("min_rows", 0, "min_rows"),
        ("hysteresis", 1.0, "hysteresis"),
        ("drift_margin", "wide", "parameter drift_margin is 'wide', expected float 0.001 to 0.5"),
        ("drift_false_alarm", 0.0, "drift_false_alarm"),
        ("window", 5.0, "window"),
    ],
)
def test_a_change_that_does_not_fit_changes_nothing(
    shared: Monitor, name: str, value: Any, reason: str
) -> None:
    result = shared.set(**{name: value})
    assert not result.successful
    assert reason in result.reason


@pytest.fixture(scope="module")
def shared(client: Client, start_shared: Start, tmp_path_factory: Any) -> Monitor:
    file = tmp_path_factory.mktemp("shared") / "events"
    return start_monitor(client, start_shared, "shared_watch", "/nobody", file)


def test_every_alert_has_a_status_of_its_own(shared: Monitor) -> None:
    shared.wait_for_status("rates", OK)
    assert set(shared.statuses) == {"rates", *(rule.name for rule in RULES)}
    shared.client.wait(
        lambda: all(len(told) >= 2 for told in shared.statuses.values()), "a report each second"
    )


def test_a_start_with_a_hold_longer_than_the_window_is_refused(start: Start) -> None:
    process = start("monitor_node", window=1.0)
    process.expected_code = 1
    assert process.wait() == 1
    assert "alert_hold is 2 s, expected less than window, which is 1 s" in process.output


def test_a_clock_that_stops_is_no_silence_and_one_that_jumps_back_empties_the_window(
    watch: Watch, feed: Any, client: Client
) -> None:
    monitor = watch(use_sim_time=True, silence_timeout=5.0)
    good = feed(monitor, *[GOOD] * 30)
    clock = client.publisher(Clock, "/clock")

    def silence(seconds: float) -> str:
        return f"the last row came {seconds:.1f} s ago"

    def tick(to: float) -> Callable[[], None]:
        # /clock is best effort: the first message may be lost
        return lambda: clock.publish(Clock(clock=stamped(to).stamp))

    good()
    monitor.wait_for_rows(30)
    monitor.wait_for_status("silence", OK, silence(0))
    # the clock starts: what came before came just now
    monitor.wait_for_status("silence", OK, silence(0), meanwhile=tick(100.0))
    monitor.wait_for_status("silence", OK, silence(4), meanwhile=tick(104.0))
    good()
    spans = monitor.wait_for_rows(60)
    assert (spans["window"].rows, spans["last"].rows) == (30, 60)
    monitor.wait_for_status("silence", OK, silence(4), meanwhile=tick(108.0))
    # it stands still, for more reports than the hold lasts
    for _ in range(2):
        monitor.wait_for_status("silence", OK, silence(4))
    monitor.wait_for_status("silence", WARN, silence(6), meanwhile=tick(110.0))
    # back: the window is empty, the counts stay, and so does the silence
    monitor.rates.clear()
    monitor.wait_for_status("silence", WARN, silence(6), meanwhile=tick(3.0))
    client.wait(
        lambda: monitor.rates and rates_from_msg(monitor.rates[-1])["window"].rows == 0,
        "an empty window",
    )
    assert rates_from_msg(monitor.rates[-1])["all"].rows == 60
    good()
    spans = monitor.wait_for_rows(90)
    assert (spans["window"].rows, spans["last"].rows) == (30, 90)
    monitor.wait_for_status("silence", OK, silence(0))
    assert "clock_jump" in [event["event"] for event in monitor.events()]


def test_reset_clears_alerts_and_drift(watch: Watch, feed: Any) -> None:
    monitor = watch(silence_timeout=0.0)
    poor = feed(monitor, *[GAP] * 30)
    poor()
    monitor.wait_for_status("gap", WARN, "gap rate 1.0000 of 30 rows")
    assert monitor.trigger("reset").success
    monitor.wait_for_status("gap", OK, "not judged: 0 rows")
    raised, cleared = monitor.alert_events("gap")
    assert (raised["event"], cleared["event"]) == ("alert_raised", "alert_cleared")
    assert cleared["message"] == "reset"
