"""A recording is answered as `StrictIK.solve` answers each of its targets, and written so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from recordings import (
    BOTTOM,
    FAR,
    FEATURES,
    GAP,
    GOOD,
    PERIOD,
    START,
    TOPIC,
    answered,
    header,
    target,
    targets,
    write_bag,
)
from rosbags.rosbag2 import StoragePlugin
from sensor_msgs.msg import JointState

from zeroproof_ros.bags import BagFile, Evaluation, Recording, answering, evaluate
from zeroproof_ros.bags.answering import ORIGIN
from zeroproof_ros.bags.cdr import from_cdr, to_cdr
from zeroproof_ros.bags.evaluation import write_rows
from zeroproof_ros.bundle import Bundle
from zeroproof_ros.errors import BagError
from zeroproof_ros.messages.commands import COMMAND_TYPES, command_to_msg
from zeroproof_ros.messages.results import result_from_msg
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.messages.targets import NANOSECONDS, TARGET_TYPES
from zeroproof_ros.pipeline import Policy, Reason, Source, StrictIK

DAY = 86_400 * NANOSECONDS


@pytest.fixture(scope="module")
def ik(exact_model: Bundle) -> StrictIK:
    return StrictIK(exact_model)


def same(found: Any, expected: Any) -> bool:
    """Every field bit for bit; the bytes between the fields mean nothing."""
    return found.dtype == expected.dtype and all(
        np.ascontiguousarray(found[field]).tobytes()
        == np.ascontiguousarray(expected[field]).tobytes()
        for field in found.dtype.names
    )


def written(path: Path, topic: str) -> list[Any]:
    """The messages of a topic with their times."""
    with Recording(path) as recording:
        assert recording.problems == []
        name = recording.topics.get(topic, "")
        return [(m.time_ns, from_cdr(m.data, name)) for m in recording.messages(topic)]


values = st.floats(-3, 3) | st.floats() | st.sampled_from([0.0, np.nan, np.inf, 1e39])
batches = st.lists(
    st.integers(1, 5).flatmap(lambda n: hnp.arrays(np.float64, (n, 4), elements=values)),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("target_type", TARGET_TYPES)
@given(
    tables=batches,
    old=st.sets(st.integers(0, 11)),
    rows_at_once=st.integers(1, 9),
    targets_at_once=st.integers(1, 5),
    max_batch=st.sampled_from([1, 2, 65536]),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_target_is_answered_as_alone(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    exact_model: Bundle,
    target_type: str,
    tables: list[np.ndarray],
    old: set[int],
    rows_at_once: int,
    targets_at_once: int,
    max_batch: int,
) -> None:
    monkeypatch.setattr(answering, "ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr(answering, "TARGETS_AT_ONCE", targets_at_once)
    folder, ik = tmp_path_factory.mktemp("law"), StrictIK(exact_model, Policy(max_batch=max_batch))
    if target_type == "joint_state":
        tables = [table[:1] for table in tables]
    times = [START + index * PERIOD for index in range(len(tables))]
    stamps = [time - DAY if index in old else time for index, time in enumerate(times)]
    messages = [
        target(table, time, target_type, stamp_ns=stamp)
        for table, time, stamp in zip(tables, times, stamps, strict=True)
    ]
    bag = answered(write_bag(folder / "bag", messages), ik, folder / "result.mcap")

    has_stamp = target_type != "multi_array"
    expected = [
        ik.refuse(table, Reason.STALE) if has_stamp and index in old else ik.solve(table)
        for index, table in enumerate(tables)
    ]
    assert same(bag.rows, np.concatenate([table.rows for table in expected]))
    lengths = [len(table) for table in tables]
    assert bag.origin["message"].tolist() == np.repeat(range(len(tables)), lengths).tolist()
    assert bag.origin["row"].tolist() == [row for n in lengths for row in range(n)]
    assert bag.origin["recorded_ns"].tolist() == np.repeat(times, lengths).tolist()
    found_stamps = np.repeat(stamps, lengths) if has_stamp else np.zeros(sum(lengths))
    assert bag.origin["stamp_ns"].tolist() == found_stamps.tolist()
    assert (bag.facts.messages, bag.facts.rows, bag.facts.refused) == (
        len(tables),
        len(bag.rows),
        {},
    )

    heads = stamps if has_stamp else times
    results = written(folder / "result.mcap", "/strict_ik_node/result")
    commands = iter(written(folder / "result.mcap", "/strict_ik_node/command"))
    trajectory = COMMAND_TYPES["joint_trajectory"]
    for (time, result), table, at, stamp in zip(results, expected, times, heads, strict=True):
        assert (time, stamp_of(result), result.header.frame_id) == (at, stamp, "base_link")
        assert same(result_from_msg(result).rows, table.rows)
        command, _ = command_to_msg(ik, table, "joint_trajectory", header(stamp))
        if command is not None:
            moved_at, found = next(commands)
            assert moved_at == at
            positions = [trajectory.read(m, ik.deployment.joint_names) for m in (command, found)]
            assert positions[0].tobytes() == positions[1].tobytes()
    assert list(commands) == []


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec) * NANOSECONDS + int(message.header.stamp.nanosec)


def test_names_may_come_in_any_order_and_other_targets_are_refused(
    tmp_path: Path, ik: StrictIK
) -> None:
    def joint_state(names: tuple[str, ...], values: tuple[float, ...], frame: str = "") -> Any:
        message = JointState(header=header(START, frame), name=list(names), position=values)
        return target(GOOD)._replace(data=to_cdr(message))

    messages = [
        joint_state(FEATURES[::-1], GOOD[::-1]),
        joint_state(FEATURES, GOOD, "base_link"),
        joint_state(FEATURES[1:], GOOD[1:]),
        joint_state((), ()),
        joint_state(FEATURES, GOOD[1:]),
        joint_state(FEATURES, GOOD, "camera"),
        target(GOOD)._replace(data=b"\0\1\0\0"),
        target(GOOD, -5),
        target(BOTTOM),
    ]
    bag = write_bag(tmp_path / "bag", messages, storage=StoragePlugin.SQLITE3)
    found = answered(bag, ik, tmp_path / "result.mcap")
    assert same(found.rows, ik.solve(np.array([GOOD, GOOD, BOTTOM])).rows)
    # in the order of their times, so that the one before 1970 comes first
    assert found.origin["message"].tolist() == [1, 2, 8]
    assert found.facts.refused == {
        "empty_batch": 1,
        "feature_names": 1,
        "frame": 1,
        "recorded_time": 1,
        "undecodable": 1,
        "width": 1,
    }
    for refusal, words in zip(
        found.facts.refusals,
        (
            "message 0: it was recorded at -5 ns, expected 0 to 2147483647999999999",
            "message 3: the names are theta2, dx, dy; missing: theta1",
            "message 4: the joint state has no names",
            "message 5: 4 names and 3 positions",
            "message 6: the target is in frame 'camera'",
            "message 7: its bytes are no sensor_msgs/msg/JointState: ",
        ),
        strict=True,
    ):
        assert refusal.startswith(words)


@pytest.mark.parametrize("time_ns", [-(1 << 63), -1, (1 << 31) * NANOSECONDS, (1 << 63) - 1])
@pytest.mark.parametrize("target_type", ["joint_state", "multi_array"])
def test_a_time_that_no_stamp_can_hold_is_refused(
    tmp_path: Path, ik: StrictIK, time_ns: int, target_type: str
) -> None:
    messages = [target(GOOD, time_ns, target_type, stamp_ns=START), target(GOOD, 7, target_type)]
    bag = write_bag(tmp_path / "bag", messages, storage=StoragePlugin.SQLITE3)
    found = answered(bag, ik, tmp_path / "result.mcap")
    assert found.facts.refused == {"recorded_time": 1}
    assert (len(found.rows), found.facts.first_ns, found.facts.last_ns) == (1, 7, 7)


def test_mcap_times_beyond_int64_are_not_lost_silently(tmp_path: Path, ik: StrictIK) -> None:
    messages = [target(GOOD, START), target(GOOD, (1 << 64) - 1, stamp_ns=START)]
    found = answered(write_bag(tmp_path / "bag", messages), ik, tmp_path / "result.mcap")
    assert found.facts.refused == {"recorded_time": 1} or found.facts.problems


def test_odd_stamps_are_counted(tmp_path: Path, ik: StrictIK) -> None:
    stamps = [0, 5, -5 * NANOSECONDS, 4, 7 * NANOSECONDS, 0, DAY]
    messages = [
        target(GOOD, NANOSECONDS + index, stamp_ns=stamp) for index, stamp in enumerate(stamps)
    ]
    found = answered(
        write_bag(tmp_path / "bag", messages), ik, tmp_path / "r.mcap", Serving(target_timeout=1.5)
    )
    facts = found.facts
    assert (facts.stamps_unknown, facts.stamps_future, facts.out_of_order) == (2, 2, 1)
    assert found.origin["stamp_ns"].tolist() == stamps
    assert [row["reason"] == Reason.STALE for row in found.rows] == [False] * 2 + [True] + [
        False
    ] * 4


@pytest.mark.parametrize(("age", "stale"), [(500_000_000, False), (500_000_001, True)])
def test_a_target_is_stale_by_its_stamp_when_it_was_recorded(
    tmp_path: Path, ik: StrictIK, age: int, stale: bool
) -> None:
    bag = write_bag(tmp_path / "bag", [target(GOOD, stamp_ns=START - age)])
    for timeout, expected in ((0.5, stale), (0.0, False), (1.0, False)):
        serving = Serving(target_timeout=timeout)
        (row,) = answered(bag, ik, tmp_path / "result.mcap", serving).rows
        assert (row["reason"] == Reason.STALE) == expected
        assert (row["source"] == Source.NONE) == expected
    assert bool(written(tmp_path / "result.mcap", "/strict_ik_node/command")) is True


@pytest.mark.parametrize("command_type", COMMAND_TYPES)
def test_commands_are_of_the_type_that_is_asked_for(
    tmp_path: Path, ik: StrictIK, command_type: str
) -> None:
    messages = [
        target([GOOD, BOTTOM, FAR, GAP], START, "point_cloud", topic="/a/b/goals"),
        target([FAR], START + 1, "point_cloud", topic="/a/b/goals"),
        target([GOOD], START + 2, "point_cloud", topic="/a/b/goals"),
    ]
    bag = write_bag(tmp_path / "bag", messages)
    serving = Serving(command_type=command_type)
    found = answered(bag, ik, tmp_path / "result.mcap", serving, "/a/b/goals")
    assert found.facts.target_type == "point_cloud"
    assert len(written(tmp_path / "result.mcap", "/a/b/result")) == 3
    commands = written(tmp_path / "result.mcap", "/a/b/command")
    kind = COMMAND_TYPES[command_type]
    rows = [len(kind.read(message, ik.deployment.joint_names)) for _, message in commands]
    # a trajectory ends before a jump; a joint state holds one row
    expected = {"joint_trajectory": [1, 1], "joint_state": [1], "multi_array": [3, 1]}
    assert rows == expected[command_type]


def test_a_recording_without_targets_makes_no_rows(tmp_path: Path, ik: StrictIK) -> None:
    refused = [target(GOOD, frame="camera")]
    found = answered(write_bag(tmp_path / "bag", refused), ik, tmp_path / "result.mcap")
    assert (len(found.rows), len(found.origin)) == (0, 0)
    assert found.rows.dtype == ik.layout.dtype
    assert found.facts.first_ns == START
    with Recording(tmp_path / "result.mcap") as recording:
        assert (dict(recording.topics), recording.problems) == ({}, [])


def test_progress_tells_what_was_read(tmp_path: Path, ik: StrictIK) -> None:
    paths = [write_bag(tmp_path / name, targets(count)) for name, count in (("a", 7), ("b", 5))]
    told: list[tuple[int, int, int]] = []
    evaluate(paths, ik, tmp_path / "out", Serving(), progress=lambda *numbers: told.append(numbers))
    assert told == [(7, 12, 7), (12, 12, 12)]


def test_rows_have_every_column_of_the_table(tmp_path: Path, ik: StrictIK) -> None:
    paths = [write_bag(tmp_path / name, targets(9, seed)) for seed, name in enumerate("ab")]
    evaluation = evaluate(paths, ik, tmp_path / "out", Serving())
    with np.load(tmp_path / "out" / "rows.npz") as columns:
        table = [column.name for column in ik.layout.columns]
        assert columns.files == [*(ORIGIN.names or ()), *table]
        for column in ik.layout.columns:
            field, _, name = column.name.partition(".")
            values = evaluation.rows[field]
            if name:
                names = ik.layout.features if field == "in" else ik.layout.outputs
                values = values[:, names.index(name)]
            assert columns[column.name].tobytes() == values.tobytes()
            assert columns[column.name].dtype == column.dtype
        for name in ORIGIN.names or ():
            assert columns[name].tolist() == evaluation.origin[name].tolist()
        assert columns["bag"].tolist() == [0] * 9 + [1] * 9
    results = written(tmp_path / "out" / "result.mcap", "/strict_ik_node/result")
    assert same(
        np.concatenate([result_from_msg(message).rows for _, message in results]),
        np.concatenate([evaluation.rows[i::9] for i in range(9)]),  # in the order of their times
    )


def test_files_that_can_not_be_written_are_refused(tmp_path: Path, ik: StrictIK) -> None:
    (tmp_path / "file").write_text("in the way")
    bag = write_bag(tmp_path / "bag", targets(3))
    with pytest.raises(BagError, match="result.mcap can not be written: "):
        evaluate([bag], ik, tmp_path / "file", Serving())
    (tmp_path / "out" / "rows.npz").mkdir(parents=True)
    with pytest.raises(BagError, match="rows.npz can not be written: "):
        evaluate([bag], ik, tmp_path / "out", Serving())
    none = np.zeros(0, dtype=ik.layout.dtype), np.zeros(0, dtype=ORIGIN)
    write_rows(tmp_path / "rows.npz", Evaluation(ik, Serving(), (), *none))
    assert np.load(tmp_path / "rows.npz")["reason"].shape == (0,)


def test_a_bag_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bag.mcap"

    def fail() -> None:
        with BagFile(path) as bag:
            bag.write_data(*targets(1)[0][:3], time_ns=START)
            assert not path.exists()
            raise KeyError("something")

    with pytest.raises(KeyError, match="something"):
        fail()
    assert list(path.parent.iterdir()) == []
    with BagFile(path) as bag:
        bag.write_data(*targets(1)[0][:3], time_ns=START)
    assert list(path.parent.iterdir()) == [path]
    assert [time for time, _ in written(path, TOPIC)] == [START]
