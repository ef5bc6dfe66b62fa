"""StrictInferenceMonitor and SCMMonitor: what they count, tell and refuse, and what they keep."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.errors import ArrayError, ConfigError, ThresholdError
from zeroproof_ros.monitor import JsonlLogger, SCMMonitor, StrictInferenceMonitor
from zeroproof_ros.monitor.strict import BARS, OTHER, SUMMARIES

STATE = {
    "n", "bottom_rate", "gap_rate", "accept_rate", "n_updates", "n_gap_updates",
    "n_provenance_updates", "n_bottom", "n_gap", "n_accept", "has_provenance", "n_events_lost",
    "last_event_error",
}  # fmt: skip
PROVENANCE_STATE = {"fault_rate", "semantic_bottom_rate", "n_fault", "n_semantic_bottom"}
SUMMARY = {
    "update_index", "batch_size", "bottom_count", "bottom_rate", "gap_count", "gap_rate",
    "accept_count", "accept_rate", "has_gap", "has_provenance",
}  # fmt: skip
PROVENANCE_SUMMARY = {
    "fault_count", "fault_rate", "semantic_bottom_count", "semantic_bottom_rate",
    "provenance_tag_counts", "provenance_tags",
}  # fmt: skip
EVENT = {"event", "update_index", "batch_size", "running_accept_rate"}

Mask = np.ndarray


def mask(*entries: int) -> Mask:
    return np.array(entries, dtype=bool)


def accepted(good: int, bad: int) -> Mask:
    """A bottom mask with so many accepted entries, and so many that are not."""
    return mask(*[0] * good, *[1] * bad)


@st.composite
def batches(draw: Callable[..., Any]) -> dict[str, Mask]:
    """Masks of any contract shape, also such as contradict each other."""
    rows = draw(st.integers(0, 6))
    shape = draw(st.sampled_from([(rows,), (rows, 1), (rows, 3), (rows, rows)]))

    # one per entry, or where rows have columns one per row
    shapes = [shape, *([(rows,), (rows, 1)] if len(shape) == 2 else [])]

    def one(shape: tuple[int, ...], high: int = 1) -> Mask:
        size = math.prod(shape)
        numbers = draw(st.lists(st.integers(0, high), min_size=size, max_size=size))
        return np.array(numbers, dtype=np.uint8).reshape(shape)

    def other() -> Mask:
        return one(draw(st.sampled_from(shapes))).astype(bool)

    made = {"bottom_mask": one(shape).astype(bool)}
    if draw(st.booleans()):
        made["gap_mask"] = other()
    if draw(st.booleans()):
        made |= {"fault_mask": other(), "semantic_bottom_mask": other()}
    if draw(st.booleans()):
        made["bottom_provenance"] = one(draw(st.sampled_from(shapes)), high=3)
    return made


def by_entry(batch: dict[str, Mask]) -> list[dict[str, int]]:
    """The masks entry by entry, by the rule and without broadcasting."""
    shape = batch["bottom_mask"].shape
    entries = []
    for index in np.ndindex(shape):
        at = {
            name: int(m[index] if m.shape == shape else m.reshape(-1)[index[0]])
            for name, m in batch.items()
        }
        code = at.get("bottom_provenance", 0)
        fault = at.get("fault_mask", 0) or code in {1, 3}
        semantic = at.get("semantic_bottom_mask", 0) or code in {2, 3}
        bottom = at["bottom_mask"] or fault or semantic
        gap = at.get("gap_mask", 0) and not bottom
        entries.append(
            {
                "bottom": int(bool(bottom)),
                "gap": int(bool(gap)),
                "fault": int(bool(fault)),
                "semantic_bottom": int(bool(semantic)),
            }
        )
    return entries


def monitor_of(*updates: dict[str, Any], **kwargs: Any) -> StrictInferenceMonitor:
    monitor = StrictInferenceMonitor(**kwargs)
    for update in updates:
        monitor.update(**update)
    return monitor


def events_of(*updates: dict[str, Any], **kwargs: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    monitor_of(*updates, event_logger=events.append, **kwargs)
    return events


def drifts(*masks: Mask, threshold: float) -> list[dict[str, Any]]:
    events = events_of(
        *({"bottom_mask": m} for m in masks), acceptance_rate_drift_threshold=threshold
    )
    return [event for event in events if event["event"] == "acceptance-rate-drift"]


# Counts and rates


@given(updates=st.lists(batches(), max_size=4))
def test_counts_are_those_of_the_entries(updates: list[dict[str, Mask]]) -> None:
    state = monitor_of(*updates).export_state()
    entries = [entry for update in updates for entry in by_entry(update)]
    told = [update for update in updates if {"fault_mask", "bottom_provenance"} & set(update)]
    assert state["n"] == len(entries)
    assert state["n_updates"] == len(updates)
    assert state["n_gap_updates"] == sum("gap_mask" in update for update in updates)
    assert state["n_provenance_updates"] == len(told)
    assert state["has_provenance"] == bool(told)
    names = ["bottom", "gap", *(["fault", "semantic_bottom"] if told else [])]
    for name in names:
        count = sum(entry[name] for entry in entries)
        assert state[f"n_{name}"] == count
        if entries:
            assert state[f"{name}_rate"] == count / len(entries)
        else:
            assert math.isnan(state[f"{name}_rate"])
    assert set(state) == STATE | (PROVENANCE_STATE if told else set())


@given(update=batches().filter(lambda update: update["bottom_mask"].size))
def test_rates_never_sum_over_1(update: dict[str, Mask]) -> None:
    rates = monitor_of(update).rates()
    assert rates["bottom_rate"] + rates["accept_rate"] == pytest.approx(1.0)
    assert 0.0 <= rates["gap_rate"] <= rates["accept_rate"]
    if "fault_rate" in rates:
        # a reason may be missing, or there may be two
        assert max(rates["fault_rate"], rates["semantic_bottom_rate"]) <= rates["bottom_rate"]

    report = monitor_of_scm(update).report()
    shares = [report["coverage"], report["bottom_rate"], report["gap_rate"]]
    assert min(shares) >= 0.0
    assert sum(shares) == pytest.approx(1.0)


@given(update=batches(), cut=st.integers(0, 6))
def test_a_batch_counts_as_its_parts(update: dict[str, Mask], cut: int) -> None:
    parts = [{name: m[part] for name, m in update.items()} for part in (np.s_[:cut], np.s_[cut:])]
    whole, split = monitor_of(update).export_state(), monitor_of(*parts).export_state()
    for name in STATE - {"n_updates", "n_gap_updates", "n_provenance_updates"}:
        assert repr(whole[name]) == repr(split[name]), name
    whole_report = monitor_of_scm(update).report()
    assert repr(whole_report) == repr(monitor_of_scm(*parts).report())


def monitor_of_scm(*updates: dict[str, Mask]) -> SCMMonitor:
    monitor = SCMMonitor()
    for update in updates:
        bottom = update["bottom_mask"]
        monitor.update(bottom, update.get("gap_mask", np.zeros_like(bottom)))
    return monitor


@given(update=batches())
def test_masks_are_not_changed(update: dict[str, Mask]) -> None:
    for m in update.values():
        m.flags.writeable = False
    before = {name: m.copy() for name, m in update.items()}
    monitor_of(update)
    for name, m in update.items():
        np.testing.assert_array_equal(m, before[name])


class FarMask:
    """A mask that numpy can not read where it is, like a tensor on an accelerator."""

    def __init__(self, entries: Mask) -> None:
        self._entries = entries

    def __array__(self, dtype: Any = None, copy: Any = None) -> Mask:
        raise TypeError("not on the host")

    def cpu(self) -> Mask:
        return self._entries


def test_a_mask_on_an_accelerator_is_copied_to_the_host() -> None:
    monitor = monitor_of({"bottom_mask": FarMask(mask(1, 0)), "gap_mask": FarMask(mask(0, 1))})
    assert (monitor.n_bottom, monitor.n_gap) == (1, 1)


def test_a_gap_is_not_counted_where_bottom() -> None:
    update = {"bottom_mask": mask(1, 0, 0), "gap_mask": mask(1, 1, 0)}
    rates = monitor_of(update).rates()
    assert rates == {"n": 3, "bottom_rate": 1 / 3, "gap_rate": 1 / 3, "accept_rate": 2 / 3}
    assert monitor_of_scm(update).report() == {
        "coverage": 1 / 3,
        "bottom_rate": 1 / 3,
        "gap_rate": 1 / 3,
        "total_predictions": 3,
    }


def test_a_gap_of_a_row_is_that_of_its_columns_also_where_there_are_as_many() -> None:
    bottom = np.zeros((2, 2), dtype=bool)
    bottom[0, 1] = True
    summary = monitor_of({"bottom_mask": bottom, "gap_mask": mask(1, 0)}).export_state(
        include_batch_summaries=True
    )["batch_summaries"][0]
    assert (summary["bottom_count"], summary["gap_count"]) == (1, 1)


@pytest.mark.parametrize("representation", ["split_masks", "bottom_provenance"])
def test_masks_of_a_strict_decode(representation: str) -> None:
    config = InferenceConfig(0.25, 0.5, "experimental", representation)
    p = np.array([1.0, np.nan, 1.0, np.nan, 1.0, 1.0])
    q = np.array([1.0, 1.0, 0.125, 0.125, 0.25, 0.5])
    masks = {
        name: m for name, m in vars(strict_inference(p, q, config)).items() if "de" not in name
    }
    monitor = monitor_of(masks, bundle_id="some")
    assert monitor.rates() == {
        "n": 6,
        "bottom_rate": 3 / 6,
        "gap_rate": 1 / 6,
        "accept_rate": 3 / 6,
        "fault_rate": 2 / 6,
        "semantic_bottom_rate": 2 / 6,
        "bundle_id": "some",
    }
    (summary,) = monitor.export_state(include_batch_summaries=True)["batch_summaries"]
    assert summary["provenance_tag_counts"] == {
        "finite": 3,
        "fault": 1,
        "semantic": 1,
        "mixed": 1,
        "unspecified": 0,
    }
    assert summary["provenance_tags"] == ["fault", "semantic", "mixed"]


def test_the_basis_holds_batches_that_do_not_tell() -> None:
    state = monitor_of(
        {"bottom_mask": mask(1, 0), "gap_mask": mask(0, 1)},
        {"bottom_mask": mask(1, 0), "bottom_provenance": np.array([1, 0])},
    ).export_state()
    assert (state["gap_rate"], state["fault_rate"]) == (0.25, 0.25)
    assert (state["n_gap_updates"], state["n_provenance_updates"]) == (1, 1)


@pytest.mark.parametrize("updates", [[], [np.zeros(0, dtype=bool)], [np.zeros((2, 0), dtype=bool)]])
def test_rates_of_nothing_are_unknown(updates: list[Mask], tmp_path: Path) -> None:
    monitor = StrictInferenceMonitor(acceptance_rate_drift_threshold=0.1)
    scm = SCMMonitor()
    for update in updates:
        monitor.update(update, update)
        scm.update(update, update)
    rates = monitor.rates()
    assert rates.pop("n") == 0
    assert list(rates) == ["bottom_rate", "gap_rate", "accept_rate"]
    assert all(math.isnan(rate) for rate in rates.values())
    report = scm.report()
    assert report.pop("total_predictions") == 0
    assert list(report) == ["coverage", "bottom_rate", "gap_rate"]
    assert all(math.isnan(rate) for rate in report.values())

    log = JsonlLogger(tmp_path / "state.jsonl")
    log(monitor.export_state(include_histograms=True, include_batch_summaries=True))
    state = json.loads(log.path.read_text(), parse_constant=pytest.fail)
    assert state["accept_rate"] is None
    assert [s["accept_rate"] for s in state["batch_summaries"]] == [None] * len(updates)


# Refusals


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (
            {"gap_mask": np.zeros((2, 3), dtype=bool)},
            r"bottom_mask has shape \(3, 2\) and gap_mask has shape \(2, 3\)",
        ),
        ({"gap_mask": mask(1, 0)}, r"expected \(3,\) or \(3, 1\) or \(3, 2\)"),
        ({"gap_mask": np.zeros(6, dtype=bool)}, r"gap_mask has shape \(6,\)"),
        ({"gap_mask": np.zeros((1, 2), dtype=bool)}, r"gap_mask has shape \(1, 2\)"),
        ({"gap_mask": np.array(True)}, r"gap_mask has shape \(\)"),
        ({"bottom_provenance": np.zeros((2, 3), int)}, r"bottom_provenance has shape \(2, 3\)"),
        ({"bottom_mask": mask(1, 0), "gap_mask": np.ones((2, 1), dtype=bool)}, r"shape \(2, 1\)"),
        ({"bottom_mask": np.array(True)}, r"bottom_mask has shape \(\), expected \(N,\) or \(N, K"),
        ({"bottom_mask": np.zeros((1, 1, 1), dtype=bool)}, r"bottom_mask has shape \(1, 1, 1\)"),
        ({"bottom_mask": np.zeros(3)}, "bottom_mask has dtype float64, expected bool"),
        ({"gap_mask": np.zeros(3, dtype=np.uint8)}, "gap_mask has dtype uint8, expected bool"),
        ({"bottom_mask": [[True], [False, True]]}, "bottom_mask is list that numpy can not read"),
        ({"bottom_mask": None}, "bottom_mask has dtype object, expected bool"),
        ({"fault_mask": mask(0, 0, 0)}, "fault_mask is given without semantic_bottom_mask; give"),
        ({"semantic_bottom_mask": mask(0, 0, 0)}, "semantic_bottom_mask is given without fault_m"),
        (
            {"bottom_provenance": mask(0, 0, 0)},
            "bottom_provenance has dtype bool, expected integral",
        ),
        ({"bottom_provenance": np.array([0, 4, 0])}, r"has code 4, expected one of \[0, 1, 2, 3\]"),
        ({"bottom_provenance": np.array([0, -1, 0])}, "bottom_provenance has code -1"),
    ],
)
def test_masks_that_do_not_fit_are_refused_and_nothing_is_counted(
    masks: dict[str, Any], message: str
) -> None:
    events: list[Any] = []
    monitor = StrictInferenceMonitor(event_logger=events.append)
    masks = {"bottom_mask": np.ones((3, 2), dtype=bool)} | masks
    with pytest.raises(ArrayError, match=message):
        monitor.update(**masks)
    assert (monitor.n_updates, monitor.n, events) == (0, 0, [])
    assert monitor.export_state(include_histograms=True)["histograms"] == {}


def test_masks_of_the_older_monitor_are_refused_alike() -> None:
    monitor = SCMMonitor()
    with pytest.raises(ArrayError, match=r"gap_mask has shape \(2, 3\), expected \(3,\) or"):
        monitor.update(np.zeros((3, 2), dtype=bool), np.zeros((2, 3), dtype=bool))
    assert monitor == SCMMonitor()


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.5, math.nan, math.inf, "0.1", True])
def test_a_drift_threshold_outside_0_to_1_is_refused(threshold: Any) -> None:
    with pytest.raises(ThresholdError, match=r"acceptance_rate_drift_threshold is .* in \(0, 1\]"):
        StrictInferenceMonitor(acceptance_rate_drift_threshold=threshold)


def test_a_logger_that_can_not_be_called_is_refused() -> None:
    with pytest.raises(ConfigError, match="event_logger is str, .* give JsonlLogger"):
        StrictInferenceMonitor(event_logger="events.jsonl")  # type: ignore[arg-type]


# Events


def test_every_event_with_its_content() -> None:
    events = events_of(
        {"bottom_mask": mask(0, 0, 0, 0)},
        {
            "bottom_mask": mask(1, 1, 0, 0),
            "gap_mask": mask(0, 0, 1, 0),
            "bottom_provenance": np.array([3, 1, 0, 0]),
        },
        bundle_id="some",
        acceptance_rate_drift_threshold=0.5,
    )
    context = {
        "update_index": 2,
        "batch_size": 4,
        "running_accept_rate": 0.75,
        "bundle_id": "some",
    }
    assert events == [
        {"event": "bottom-trigger", "count": 2, "rate": 0.5, **context},
        {"event": "fault-bottom-trigger", "count": 2, "rate": 0.5, **context},
        {"event": "semantic-bottom-trigger", "count": 1, "rate": 0.25, **context},
        {"event": "gap-trigger", "count": 1, "rate": 0.25, **context},
        {
            "event": "acceptance-rate-drift",
            "accept_rate": 0.5,
            "previous_accept_rate": 1.0,
            "delta": -0.5,
            "threshold": 0.5,
            "direction": "decrease",
            **context,
        },
    ]


def test_bottoms_are_told_without_provenance() -> None:
    (event,) = events_of({"bottom_mask": mask(1, 0)})
    assert event["event"] == "bottom-trigger"
    assert set(event) == EVENT | {"count", "rate"}


@given(update=batches())
def test_a_trigger_is_told_exactly_where_it_counts(update: dict[str, Mask]) -> None:
    found = {event["event"]: event["count"] for event in events_of(update)}
    entries = by_entry(update)
    counts = {
        f"{name.replace('_', '-')}-trigger": sum(entry[key] for entry in entries)
        for name, key in [
            ("bottom", "bottom"),
            ("fault_bottom", "fault"),
            ("semantic_bottom", "semantic_bottom"),
            ("gap", "gap"),
        ]
    }
    assert found == {event: count for event, count in counts.items() if count}


sizes = st.lists(
    st.tuples(st.integers(0, 10), st.integers(0, 10)).filter(any), min_size=1, max_size=6
)


@given(sizes=sizes, percent=st.integers(1, 100))
def test_a_drift_is_the_distance_to_all_before(sizes: list[tuple[int, int]], percent: int) -> None:
    found = drifts(*(accepted(*size) for size in sizes), threshold=percent / 100)
    expected = []
    for i, (good, bad) in enumerate(sizes[1:], start=1):
        before = Fraction(sum(g for g, _ in sizes[:i]), sum(map(sum, sizes[:i])))
        delta = Fraction(good, good + bad) - before
        if abs(delta) >= Fraction(percent, 100):
            direction = "increase" if delta > 0 else "decrease"
            expected.append((i + 1, pytest.approx(float(delta)), direction))
    assert [(e["update_index"], e["delta"], e["direction"]) for e in found] == expected


def test_a_distance_at_the_threshold_is_a_drift() -> None:
    # in floats 1.0 - 0.9 is below 0.1
    assert len(drifts(accepted(10, 0), accepted(9, 1), threshold=0.1)) == 1
    # one entry in a hundred thousand beside it
    many = accepted(100_000, 0)
    assert len(drifts(many, accepted(89_999, 10_001), threshold=0.1)) == 1
    assert drifts(many, accepted(90_001, 9_999), threshold=0.1) == []


def test_a_slow_slide_is_seen() -> None:
    slide = [accepted(100 - i, i) for i in range(50)]
    # One percent from batch to batch; after i batches their mean lies (i + 1) / 2 percent behind.
    found = drifts(*slide, threshold=0.1)
    assert found[0]["update_index"] == 20
    assert found[0]["direction"] == "decrease"


def test_an_empty_batch_is_no_drift() -> None:
    none = accepted(0, 0)
    found = drifts(none, accepted(5, 0), none, accepted(0, 5), threshold=0.5)
    assert [event["update_index"] for event in found] == [4]
    assert found[0]["previous_accept_rate"] == 1.0


def test_without_a_threshold_there_is_no_drift() -> None:
    events = events_of({"bottom_mask": accepted(5, 0)}, {"bottom_mask": accepted(0, 5)})
    assert [event["event"] for event in events] == ["bottom-trigger"]


def test_a_logger_that_raises_loses_neither_counts_nor_other_events(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events: list[str] = []

    def logger(event: dict[str, Any]) -> None:
        if event["event"] == "bottom-trigger":
            raise OSError("disk full")
        events.append(event["event"])

    update = {"bottom_mask": mask(1, 0, 0), "gap_mask": mask(0, 1, 0)}
    with caplog.at_level(logging.WARNING):
        monitor = monitor_of(update, update, event_logger=logger)
    state = monitor.export_state(include_batch_summaries=True)
    assert (state["n"], state["n_bottom"], state["n_gap"]) == (6, 2, 2)
    assert len(state["batch_summaries"]) == 2
    assert events == ["gap-trigger", "gap-trigger"]
    assert state["n_events_lost"] == 2
    assert state["last_event_error"] == "OSError('disk full')"
    # once, not at the rate of the control loop
    (record,) = caplog.records
    assert "event bottom-trigger is lost" in record.getMessage()


def test_an_interrupt_is_not_swallowed_and_is_counted_before() -> None:
    def logger(event: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    monitor = StrictInferenceMonitor(event_logger=logger)
    with pytest.raises(KeyboardInterrupt):
        monitor.update(mask(1, 0), mask(0, 1))
    assert (monitor.n, monitor.n_bottom, monitor.n_gap) == (2, 1, 1)


def test_an_event_may_be_changed_by_its_logger() -> None:
    monitor = monitor_of({"bottom_mask": mask(1, 1)}, event_logger=dict.clear)
    assert monitor.rates()["bottom_rate"] == 1.0


def test_events_come_in_a_file_as_valid_json(tmp_path: Path) -> None:
    log = JsonlLogger(tmp_path / "strict_inference_events.jsonl")
    monitor = StrictInferenceMonitor(
        bundle_id="some", event_logger=log, acceptance_rate_drift_threshold=0.1
    )
    monitor.update(mask(0, 0), mask(0, 1))
    monitor.update(mask(1, 0), mask(0, 0))
    lines = log.path.read_text("utf-8").splitlines()
    events = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    names = ["gap-trigger", "bottom-trigger", "acceptance-rate-drift"]
    assert [event["event"] for event in events] == names
    assert all(list(event) == sorted(event) for event in events)


# The state


def test_names_of_the_state() -> None:
    told = {
        "bottom_mask": mask(1, 0),
        "gap_mask": mask(0, 1),
        "bottom_provenance": np.array([1, 0]),
    }
    monitor = monitor_of({"bottom_mask": mask(1, 0)}, told)
    assert set(monitor.export_state()) == STATE | PROVENANCE_STATE
    state = monitor.export_state(include_histograms=True, include_batch_summaries=True)
    added = {"histograms", "batch_summaries", "n_batch_summaries_dropped"}
    assert set(state) == STATE | PROVENANCE_STATE | added
    assert state["histograms"] == {
        "batch_size": {"2": 2},
        "batch_bottom_count": {"1": 2},
        "batch_gap_count": {"1": 1},
        "batch_fault_count": {"1": 1},
        "batch_semantic_bottom_count": {"0": 1},
    }
    bare, full = state["batch_summaries"]
    assert set(bare) == SUMMARY
    assert (bare["has_gap"], bare["has_provenance"]) == (False, False)
    assert set(full) == SUMMARY | PROVENANCE_SUMMARY
    assert (full["has_gap"], full["has_provenance"]) == (True, True)
    assert full["accept_count"] == 1
    assert full["provenance_tag_counts"]["fault"] == 1
    # the counts are there without an export
    for name in ("n", "n_updates", "n_bottom", "n_gap", "n_fault", "n_semantic_bottom"):
        assert getattr(monitor, name) == state[name]


@given(updates=st.lists(batches(), max_size=5))
def test_summaries_and_histograms_are_of_the_same_batches(updates: list[dict[str, Mask]]) -> None:
    state = monitor_of(*updates).export_state(include_histograms=True, include_batch_summaries=True)
    summaries = state["batch_summaries"]
    assert [s["update_index"] for s in summaries] == list(range(1, len(updates) + 1))
    for name in ("bottom", "gap", "accept"):
        assert sum(s[f"{name}_count"] for s in summaries) == state[f"n_{name}"]
    for summary in filter(lambda s: s["has_provenance"], summaries):
        assert sum(summary["provenance_tag_counts"].values()) == summary["batch_size"]
    for bars in state["histograms"].values():
        assert list(map(int, bars)) == sorted(map(int, bars))
    for name in ("bottom", "gap"):
        bars = state["histograms"].get(f"batch_{name}_count", {})
        assert sum(int(bar) * count for bar, count in bars.items()) == state[f"n_{name}"]


def test_a_bottom_without_a_reason_is_unspecified() -> None:
    update = {"bottom_mask": mask(1, 1, 0), "bottom_provenance": np.array([0, 2, 0])}
    state = monitor_of(update).export_state(include_batch_summaries=True)
    (summary,) = state["batch_summaries"]
    assert summary["provenance_tag_counts"]["unspecified"] == 1
    assert summary["provenance_tags"] == ["semantic", "unspecified"]


def test_memory_does_not_grow() -> None:
    monitor = StrictInferenceMonitor()
    updates = 3 * max(SUMMARIES, BARS)
    everything = np.zeros(updates, dtype=bool)
    sizes = []
    for i in range(updates):
        # every batch has another size, so every histogram would like another bar
        monitor.update(~everything[:i], everything[:i], bottom_provenance=np.ones(i, dtype=int))
        sizes.append(held(monitor))
    # from when the rings are full, only numbers get longer
    assert max(sizes[2 * updates // 3 :]) < 1.05 * sizes[max(SUMMARIES, BARS)]
    assert len(monitor._summaries) == SUMMARIES
    state = monitor.export_state(include_histograms=True, include_batch_summaries=True)
    assert state["n_updates"] == updates
    assert state["n_batch_summaries_dropped"] == updates - SUMMARIES
    assert len(state["batch_summaries"]) == SUMMARIES
    assert state["batch_summaries"][0]["update_index"] == updates - SUMMARIES + 1
    assert state["batch_summaries"][-1]["update_index"] == updates
    for bars in state["histograms"].values():
        assert len(bars) <= BARS + 1
        # what has no bar of its own is counted still
        assert sum(bars.values()) == updates
    sizes_bars = state["histograms"]["batch_size"]
    assert list(sizes_bars)[-1] == OTHER
    assert sizes_bars[OTHER] == updates - BARS


def held(monitor: StrictInferenceMonitor) -> int:
    """Bytes of the containers of a monitor, with one summary for all."""
    bars = sum(sys.getsizeof(bars) for bars in monitor._histograms.values())
    return bars + len(monitor._summaries) * sys.getsizeof(monitor._summaries[0])
