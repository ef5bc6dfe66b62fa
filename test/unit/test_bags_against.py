"""An evaluation against recorded results, and against the evaluation by another bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import (
    BOTTOM,
    FAR,
    GAP,
    GOOD,
    PERIOD,
    START,
    TOPIC,
    Message,
    header,
    target,
    targets,
    write_bag,
)
from rosbags.rosbag2 import StoragePlugin

from zeroproof_ros.bags import Evaluation, Recording, document, evaluate
from zeroproof_ros.bags.against import Against, against_recorded
from zeroproof_ros.bags.agreement import differences
from zeroproof_ros.bags.cdr import from_cdr, to_cdr
from zeroproof_ros.bundle import Bundle
from zeroproof_ros.errors import BagError, ConfigError
from zeroproof_ros.messages.results import result_from_msg, result_to_msg
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.pipeline import Policy, Reason, ResultTable, StrictIK

RESULT = "/strict_ik_node/result"
LATER = 1_000_000  # a result is recorded after its target [ns]
TABLES = [[GOOD], [BOTTOM, GAP], [FAR], [GOOD, BOTTOM, FAR, GAP]]


@pytest.fixture(scope="module")
def ik(exact_model: Bundle) -> StrictIK:
    return StrictIK(exact_model)


def clouds(tables: Sequence[Any] = TABLES) -> list[Message]:
    return [
        target(rows, START + index * PERIOD, "point_cloud") for index, rows in enumerate(tables)
    ]


def results_of(messages: Sequence[Message], ik: StrictIK, folder: Path) -> list[Message]:
    """What is recorded of the results."""
    evaluate([write_bag(folder / "asked", messages)], ik, folder / "answered", Serving())
    shutil.rmtree(folder / "asked")
    with Recording(folder / "answered" / "result.mcap") as recording:
        name = recording.topics[RESULT]
        return [
            Message(RESULT, name, data, time + LATER)
            for _, time, data in recording.messages(RESULT)
        ]


def with_rows(message: Message, change: Callable[[Any], None]) -> Message:
    """A result with other rows."""
    cloud = from_cdr(message.data, message.name)
    table = result_from_msg(cloud)
    rows = table.rows.copy()
    change(rows)
    head = header(message.time_ns - LATER, "base_link")
    return message._replace(data=to_cdr(result_to_msg(ResultTable(table.layout, rows), head)))


def compared(
    folder: Path,
    ik: StrictIK,
    asked: Sequence[Message],
    results: Sequence[Message],
    tolerance: float = 1e-6,
    serving: Serving | None = None,
    storage: StoragePlugin = StoragePlugin.MCAP,
) -> Against:
    """Recorded results beside their targets, compared."""
    shutil.rmtree(folder / "bag", ignore_errors=True)
    bag = write_bag(folder / "bag", [*asked, *results], storage=storage)
    evaluation = evaluate([bag], ik, folder / "out", serving or Serving())
    return against_recorded(evaluation, "result", tolerance)


@pytest.mark.parametrize("kind", ["joint_state", "point_cloud", "multi_array"])
def test_what_was_recorded_is_found_again(tmp_path: Path, ik: StrictIK, kind: str) -> None:
    # the last two are the same rows at other times
    rows = [GOOD, BOTTOM, FAR, GAP, (np.nan, 0.0, 0.0, 0.0), GOOD]
    asked = [target([row], START + index * PERIOD, kind) for index, row in enumerate(rows)]
    results = results_of(asked, ik, tmp_path)
    for tolerance in (0.0, 1e-6):
        found = compared(tmp_path, ik, asked, results, tolerance)
        assert found.gate.passed
        assert (found.recorded, found.compared, found.differing, found.first) == (6, 6, 0, ())
        assert (found.unmatched, found.before, found.unreadable, found.unanswered) == (0,) * 4
        assert set(found.by_column.values()) == {0}
        assert set(found.by_column) == set(ik.layout.dtype.names or ())


@pytest.mark.parametrize("field", ["x", "decoded", "resolved", "q_abs", "residual"])
def test_a_number_that_differs_is_named(tmp_path: Path, ik: StrictIK, field: str) -> None:
    asked = clouds()
    results = results_of(asked, ik, tmp_path)

    def nudge(rows: Any) -> None:
        rows[field].reshape(4, -1)[3, -1] += 1e-3  # the row in the gap

    results[3] = with_rows(results[3], nudge)
    found = compared(tmp_path, ik, asked, results)
    assert not found.gate.passed
    assert (found.gate.found, found.differing, found.compared) == (1, 1, 8)
    assert {name for name, count in found.by_column.items() if count} == {field}
    (first,) = found.first
    assert (first["bag"], first["message"], first["row"]) == (0, 3, 3)
    (told,) = first["columns"].values()
    assert told["here"] != told["recorded"]
    assert compared(tmp_path, ik, asked, results, 1e-2).gate.passed


@pytest.mark.parametrize("field", ["bottom", "gap", "fault", "semantic", "source", "reason"])
def test_a_code_that_differs_by_one_byte_is_named(tmp_path: Path, ik: StrictIK, field: str) -> None:
    asked = clouds()
    results = results_of(asked, ik, tmp_path)

    def nudge(rows: Any) -> None:
        rows[field][0] ^= 1

    results[1] = with_rows(results[1], nudge)
    found = compared(tmp_path, ik, asked, results, tolerance=1e9)
    assert not found.gate.passed
    assert [name for name, count in found.by_column.items() if count] == [field]
    assert "1 differ" in found.gate.why
    assert [(first["message"], first["row"]) for first in found.first] == [(1, 0)]


def test_results_before_the_first_target_may_lack_theirs(tmp_path: Path, ik: StrictIK) -> None:
    asked = clouds([[GOOD], [BOTTOM], [FAR], [GAP]])
    results = results_of(asked, ik, tmp_path)
    found = compared(tmp_path, ik, asked[2:], results)
    assert found.gate.passed
    assert (found.recorded, found.before, found.compared) == (4, 2, 2)


def test_targets_without_a_result_are_counted(tmp_path: Path, ik: StrictIK) -> None:
    asked = clouds()
    found = compared(tmp_path, ik, asked, results_of(asked, ik, tmp_path)[2:])
    assert found.gate.passed
    assert (found.recorded, found.compared, found.unanswered) == (5, 5, 3)


@pytest.mark.parametrize("spoil", ["twice", "other rows", "other stamp", "refused"])
def test_a_result_that_answers_no_target_fails(tmp_path: Path, ik: StrictIK, spoil: str) -> None:
    asked = clouds()
    results = results_of(asked, ik, tmp_path)
    if spoil == "twice":
        results.append(results[1]._replace(time_ns=START + 10 * PERIOD))
    elif spoil == "other rows":
        results[1] = with_rows(results[1], lambda rows: rows["in"].__setitem__((0, 0), 7.0))
    elif spoil == "other stamp":
        later = results[1]._replace(time_ns=results[1].time_ns + 1)
        results[1] = with_rows(later, lambda _: None)
    else:  # was answered then, and is refused now
        asked[1] = target(TABLES[1], asked[1].time_ns, "point_cloud", frame="camera")
    found = compared(tmp_path, ik, asked, results)
    assert not found.gate.passed
    assert (found.unmatched, found.differing) == (2, 0)
    assert "2 answer no target of the recording" in found.gate.why


def test_rows_that_had_waited_too_long_are_not_held_against_it(
    tmp_path: Path, ik: StrictIK
) -> None:
    asked = clouds()
    results = results_of(asked, ik, tmp_path)
    rows = np.array(TABLES[1])

    def refuse(found: Any) -> None:
        found[:] = ik.refuse(rows, Reason.STALE).rows

    results[1] = with_rows(results[1], refuse)
    found = compared(tmp_path, ik, asked, results)
    assert found.gate.passed
    assert (found.stale, found.compared, found.unanswered) == (2, 6, 0)
    # stale here, and answered then
    late = [target(TABLES[0], START, "point_cloud", stamp_ns=START - PERIOD)]
    results = results_of(late, ik, tmp_path)
    found = compared(tmp_path, ik, late, results, serving=Serving(target_timeout=0.001))
    assert not found.gate.passed
    assert found.by_column["reason"] == 1


def test_messages_that_are_no_results_of_these_columns_fail(
    tmp_path: Path, ik: StrictIK, position_bundle: Bundle
) -> None:
    asked = clouds()
    results = results_of(asked, ik, tmp_path)
    cut = results[0]._replace(data=results[0].data[:-1])
    no_result = asked[0]._replace(topic=RESULT)
    other = StrictIK(position_bundle)
    foreign = other.solve(np.array([[0.3, 0.2, 1.0, 0.5]]))
    cloud = result_to_msg(foreign, header(START))
    others = results[0]._replace(data=to_cdr(cloud))
    found = compared(tmp_path, ik, asked, [*results, cut, no_result, others])
    assert not found.gate.passed
    assert (found.unreadable, found.compared) == (3, 8)
    assert "3 messages are no results of these columns" in found.gate.why


def test_no_recorded_row_at_all_fails(tmp_path: Path, ik: StrictIK) -> None:
    late = [m._replace(time_ns=m.time_ns + 100 * PERIOD) for m in clouds([[BOTTOM]])]
    results = results_of(clouds([[GOOD]]), ik, tmp_path)
    found = compared(tmp_path, ik, late, results)
    assert (found.gate.found, found.gate.passed) == (0, False)
    assert (found.before, found.compared) == (1, 0)


def test_recorded_results_that_can_not_be_read_make_it_partial(
    tmp_path: Path, ik: StrictIK
) -> None:
    asked = clouds()
    results = results_of(asked, ik, tmp_path)
    bag = write_bag(tmp_path / "bag", [*asked, *results], storage=StoragePlugin.SQLITE3)
    metadata = bag / "metadata.yaml"
    text = metadata.read_text("utf-8").replace("message_count: 8", "message_count: 9")
    found_at = text.rindex("message_count: 4")
    metadata.write_text(text[:found_at] + "message_count: 5" + text[found_at + 16 :], "utf-8")
    evaluation = evaluate([bag], ik, tmp_path / "out", Serving())
    found = document([evaluation], {}, against="result", tolerance=0.0)
    told = found["evaluations"][0]["against"]["problems"]
    assert any("5 messages of /strict_ik_node/result, 4 were found" in problem for problem in told)
    assert found["complete"] is False


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("results", r"has no results /strict_ik_node/results \(sensor_msgs/msg/PointCloud2\)"),
        ("/result", "has no results /result "),
        ("target", "has no results /strict_ik_node/target "),
    ],
)
def test_results_that_are_not_there_are_refused(
    tmp_path: Path, ik: StrictIK, name: str, message: str
) -> None:
    evaluation = evaluate(
        [write_bag(tmp_path / "bag", targets(3))], ik, tmp_path / "out", Serving()
    )
    with pytest.raises(BagError, match=message) as caught:
        against_recorded(evaluation, name, 0.0)
    assert TOPIC in str(caught.value)


# Tables


DTYPE = np.dtype([("number", np.float64, (2,)), ("code", np.uint8)])


def table(a: float, b: float = 0.0, code: int = 0) -> Any:
    return np.array([((a, b), code)], dtype=DTYPE)


@pytest.mark.parametrize(
    ("a", "b", "tolerance", "differs"),
    [
        (1.0, 1.0, 0.0, False),
        (1.0, np.nextafter(1.0, 2.0), 0.0, True),
        (0.25, 0.5, 0.25, False),
        (0.25, np.nextafter(0.5, 1.0), 0.25, True),
        (3.0, 4.0, 0.25, False),  # relative above 1
        (3.0, np.nextafter(4.0, 0.0), 0.25, False),
        (2.9, 4.0, 0.25, True),
        (np.nan, np.nan, 0.0, False),
        (np.nan, 0.0, 1e9, True),
        (0.0, np.nan, 1e9, True),
        (np.inf, np.inf, 0.0, False),
        (np.inf, -np.inf, 1e9, True),
        (1.0, np.inf, 1e9, True),
        (np.inf, 1.0, 1e9, True),
        (0.0, -0.0, 0.0, False),
        (1e308, -1e308, 1e-6, True),
    ],
)
def test_numbers_differ_beyond_the_tolerance(
    a: float, b: float, tolerance: float, differs: bool
) -> None:
    for ours, theirs in ((table(a), table(b)), (table(0.0, a), table(0.0, b))):
        found = differences(ours, theirs, tolerance)
        assert {name: rows.tolist() for name, rows in found.items()} == {
            "number": [differs],
            "code": [False],
        }


@given(a=st.floats(), tolerance=st.floats(0, 1e300))
def test_a_number_never_differs_from_itself(a: float, tolerance: float) -> None:
    assert not any(rows.any() for rows in differences(table(a), table(a), tolerance).values())


def test_codes_differ_by_any_amount() -> None:
    found = differences(table(0.0), table(0.0, 0.0, 1), 1e9)
    assert found["code"].tolist() == [True]


def test_tables_without_rows_do_not_differ() -> None:
    none = np.zeros(0, DTYPE)
    assert [rows.shape for rows in differences(none, none, 0.0).values()] == [(0,), (0,)]


# Two bundles


def both(folder: Path, first: StrictIK, second: StrictIK, bag: Path) -> list[Evaluation]:
    return [
        evaluate([bag], ik, folder / str(number), Serving())
        for number, ik in enumerate((first, second))
    ]


def test_bundles_are_compared_row_by_row(
    tmp_path: Path, exact_bundle: Callable[..., Bundle]
) -> None:
    # |Q| = 0.8 sin(theta2): rows between the two thresholds are bottom for the second only
    first, second = (StrictIK(exact_bundle(tau_infer=tau, tau_train=None)) for tau in (0.02, 0.1))
    rows = [(0.3, theta2, 0.0005, 0.0005) for theta2 in (0.0, 0.05, 0.1, 0.5, 1.0)]
    bag = write_bag(tmp_path / "bag", clouds([rows[:3], rows[3:]]))
    found = document(both(tmp_path, first, second, bag), {}, against=None, tolerance=0.0)
    apart = found["disagreement"]
    assert (apart["rows"], apart["differing"]) == (5, 2)
    counts = {"bottom": 2, "gap": 0, "fault": 0, "semantic": 2, "source": 2, "reason": 2}
    assert apart["by_column"] == counts
    assert [(row["bag"], row["message"], row["row"]) for row in apart["first"]] == [
        (0, 0, 1),
        (0, 0, 2),
    ]
    assert apart["first"][0]["reason"] == [Reason.OK, Reason.BOTTOM]
    assert "gap" not in apart["first"][0]
    assert 0 <= apart["answers_apart"]["p50"] <= apart["answers_apart"]["max"]


def test_a_bundle_does_not_disagree_with_itself(tmp_path: Path, ik: StrictIK) -> None:
    bag = write_bag(tmp_path / "bag", clouds())
    found = document(both(tmp_path, ik, ik, bag), {}, against=None, tolerance=0.0)
    apart = found["disagreement"]
    assert (apart["rows"], apart["differing"], apart["first"]) == (8, 0, [])
    assert set(apart["answers_apart"].values()) == {0.0}


def test_rows_that_nobody_served_are_not_apart(tmp_path: Path, exact_model: Bundle) -> None:
    ik = StrictIK(exact_model, Policy(bottom_policy="reject"))
    bag = write_bag(tmp_path / "bag", clouds([[BOTTOM]]))
    found = document(both(tmp_path, ik, ik, bag), {}, against=None, tolerance=0.0)
    assert set(found["disagreement"]["answers_apart"].values()) == {None}


def test_a_target_that_one_bundle_refuses_is_not_compared(
    tmp_path: Path, ik: StrictIK, graph_bundle: Callable[..., Bundle], block: dict[str, Any]
) -> None:
    other = StrictIK(
        graph_bundle(
            "numerator = Slice (input_0, two, four, one)  q = Gather <axis=1> (input_0, index)\n"
            "denominator = Sin(q)",
            constants="int64[1] two={2}, int64[1] four={4}, int64[1] one={1}, int64 index={1}",
            deployment=block | {"base_frame": "camera"},
        )
    )
    framed = target(TABLES[3], START + PERIOD, "point_cloud", frame="camera")
    bag = write_bag(tmp_path / "bag", [*clouds([[GOOD]]), framed])
    found = document(both(tmp_path, ik, other, bag), {}, against=None, tolerance=0.0)
    assert found["disagreement"]["rows"] == 1
    assert [part["bags"][0]["refused"] for part in found["evaluations"]] == [{"frame": 1}, {}]


def test_bundles_with_other_columns_are_refused(
    tmp_path: Path, ik: StrictIK, position_bundle: Bundle
) -> None:
    bag = write_bag(tmp_path / "bag", clouds())
    evaluations = both(tmp_path, ik, StrictIK(position_bundle), bag)
    with pytest.raises(ConfigError, match=r"takes and answers \(theta1, theta2, dx, dy\) -> ") as e:
        document(evaluations, {}, against=None, tolerance=0.0)
    assert "only bundles with the same columns can be compared" in str(e.value)
