"""Recordings of every form are read alike, and what is missing of one is told."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml
from recordings import PERIOD, START, TOPIC, read, targets, write_bag, write_file, write_split
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from zeroproof_ros.bags import Recording, target_topic
from zeroproof_ros.errors import BagError

MCAP, SQLITE = StoragePlugin.MCAP, StoragePlugin.SQLITE3
MESSAGES = targets(40)
DATA = [message.data for message in MESSAGES]


@pytest.mark.parametrize("version", [8, 9])
@pytest.mark.parametrize(
    ("storage", "mode"),
    [(s, m) for s in (MCAP, SQLITE) for m in CompressionMode if (s, m.name) != (SQLITE, "STORAGE")],
    ids=lambda value: value.name.lower(),
)
def test_every_form_is_read(
    tmp_path: Path, storage: StoragePlugin, mode: CompressionMode, version: int
) -> None:
    bag = write_bag(tmp_path / "bag", MESSAGES, storage=storage, mode=mode, version=version)
    assert read(bag) == (DATA, [])
    parts = MESSAGES[:15], MESSAGES[15:16], MESSAGES[16:]
    split = write_split(tmp_path / "split", parts, storage=storage, mode=mode, version=version)
    assert read(split) == (DATA, [])


@pytest.mark.parametrize("name", ["bag.mcap", "bag.db3"])
def test_a_single_file_is_read(tmp_path: Path, name: str) -> None:
    assert read(write_file(tmp_path / name, MESSAGES)) == (DATA, [])


def test_a_recording_tells_its_topics(tmp_path: Path) -> None:
    other = [m._replace(topic="/other") for m in MESSAGES[:3]]
    with Recording(write_bag(tmp_path / "bag", [*MESSAGES, *other])) as recording:
        assert recording.topics == dict.fromkeys((TOPIC, "/other"), "sensor_msgs/msg/JointState")
        assert recording.counts == {TOPIC: 40, "/other": 3}
        (first, *_) = recording.messages("/other")
        assert first == ("/other", START, DATA[0])


@pytest.mark.parametrize("storage", [MCAP, SQLITE])
def test_messages_come_in_the_order_of_their_times(tmp_path: Path, storage: StoragePlugin) -> None:
    mixed = [*MESSAGES[20:], *MESSAGES[:20]]
    assert read(write_bag(tmp_path / "bag", mixed, storage=storage)) == (DATA, [])


def test_an_empty_recording_is_whole(tmp_path: Path) -> None:
    for storage in (MCAP, SQLITE):
        bag = write_bag(tmp_path / storage.name, [], storage=storage)
        assert read(bag) == ([], [])
        with Recording(bag) as recording, pytest.raises(BagError, match="its topics are none"):
            target_topic(recording, None)


@pytest.mark.parametrize("storage", [MCAP, SQLITE])
def test_without_metadata_the_files_are_read_by_their_numbers(
    tmp_path: Path, storage: StoragePlugin
) -> None:
    parts = [MESSAGES[i : i + 3] for i in range(0, 36, 3)]  # 10 comes after 9
    bag = write_split(tmp_path / "bag", parts, storage=storage)
    (bag / "metadata.yaml").unlink()
    found, (problem,) = read(bag)
    assert found == DATA[:36]
    assert problem == "it has no metadata.yaml: its recorder did not end"


@pytest.mark.parametrize("content", ["", "{", "a: 1", "rosbag2_bagfile_information: {version: 99}"])
def test_with_useless_metadata_the_files_are_read(tmp_path: Path, content: str) -> None:
    bag = write_bag(tmp_path / "bag", MESSAGES)
    (bag / "metadata.yaml").write_text(content, encoding="utf-8")
    found, (problem,) = read(bag)
    assert found == DATA
    assert problem.startswith("it can not be read by its metadata.yaml: ")


def test_a_file_that_can_not_be_read_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    parts = MESSAGES[:20], MESSAGES[20:30], MESSAGES[30:]
    bag = write_split(tmp_path / "bag", parts)
    (bag / "metadata.yaml").unlink()
    (bag / "bag_1.mcap").write_bytes(b"")
    (bag / "bag_3.mcap.zstd").write_bytes(b"")
    found, problems = read(bag)
    assert found == DATA[:20] + DATA[30:]
    assert problems[1] == "bag_3.mcap.zstd is not read; unpack it with `zstd -d` first"
    assert problems[2].startswith("bag_1.mcap can not be read: File ")


@pytest.mark.parametrize("change", [7, -7])
def test_counts_that_lie_are_told(tmp_path: Path, change: int) -> None:
    bag = write_bag(tmp_path / "bag", MESSAGES)
    metadata = yaml.safe_load((bag / "metadata.yaml").read_text("utf-8"))
    (topic,) = metadata["rosbag2_bagfile_information"]["topics_with_message_count"]
    topic["message_count"] += change
    (bag / "metadata.yaml").write_text(yaml.safe_dump(metadata), encoding="utf-8")
    found, problems = read(bag)
    assert found == DATA
    assert problems == [
        f"bag says it has 40 messages, and {40 + change} of its topics",
        f"it says it has {40 + change} messages of {TOPIC}, 40 were found",
    ]


@pytest.mark.parametrize("journal", ["-wal", "-journal"])
def test_what_sqlite_has_not_taken_in_is_told(tmp_path: Path, journal: str) -> None:
    file = write_file(tmp_path / "bag.db3", MESSAGES)
    beside = tmp_path / f"bag.db3{journal}"
    beside.write_bytes(b"")
    assert read(file) == (DATA, [])
    beside.write_bytes(b"something")
    for path in (file, tmp_path):
        found, problems = read(path)
        assert found == DATA
        assert problems[0].startswith(f"bag.db3{journal} is not read; open the recording with sq")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.mcap", None, "No such file or dir"),
        ("text.mcap", b"hello, this is no recording at all, only a text", "magic is invalid"),
        ("zeros.mcap", bytes(5000), "magic is invalid"),
        ("empty.mcap", b"", "empty"),
        ("text.db3", b"hello, this is no recording at all, only a text", "not a database"),
        ("empty.db3", b"", "missing tables"),
        ("bag.bag", b"#ROSBAG V2.0\n", "Unrecognized storage format '.bag'"),
    ],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BagError, match=message) as caught:
        Recording(path)
    assert caught.value.path == path
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("files", [(), ("notes.txt",), ("a.mcap",), ("a.mcap.zstd",)])
def test_a_folder_that_is_no_recording_is_refused(tmp_path: Path, files: tuple[str, ...]) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(BagError, match=r"is no recording: no file in it .* it has no metadata.yam"):
        Recording(tmp_path)


def test_a_folder_whose_files_are_gone_is_refused(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", MESSAGES)
    (bag / "bag.mcap").unlink()
    with pytest.raises(BagError, match="database files are missing"):
        Recording(bag)


def test_a_file_that_nobody_may_read_is_refused(tmp_path: Path) -> None:
    file = write_file(tmp_path / "bag.mcap", MESSAGES)
    file.chmod(0)
    try:
        file.read_bytes()
    except PermissionError:
        with pytest.raises(BagError, match="ermission denied"):
            Recording(file)
    else:
        pytest.skip("whoever runs the tests may read everything")


@pytest.mark.parametrize("wanted", [None, TOPIC])
def test_the_topic_of_targets_is_found(tmp_path: Path, wanted: str | None) -> None:
    others = [m._replace(topic="/elsewhere") for m in MESSAGES[:1]]
    with Recording(write_bag(tmp_path / "bag", [*others, *MESSAGES])) as recording:
        assert target_topic(recording, wanted) == TOPIC


@pytest.mark.parametrize(
    ("topics", "wanted", "message"),
    [
        ({"/goal": "sensor_msgs/msg/JointState"}, None, "has no topics called target"),
        (dict.fromkeys(("/a/target", "/b/target"), MESSAGES[0].name), None, "has 2 topics called"),
        ({"/a/target": "std_msgs/msg/String"}, None, r"its topics are /a/target \(std_msgs/msg/St"),
        ({"/a/target": "std_msgs/msg/String"}, "/a/target", "is of type std_msgs/msg/String, exp"),
        ({"/a/target": MESSAGES[0].name}, "/target", "topic /target is not there, expected one of"),
    ],
)
def test_a_topic_that_can_not_be_meant_is_refused(
    tmp_path: Path, topics: dict[str, str], wanted: str | None, message: str
) -> None:
    bag = [MESSAGES[0]._replace(topic=topic, name=name) for topic, name in topics.items()]
    with (
        Recording(write_bag(tmp_path / "bag", bag)) as recording,
        pytest.raises(BagError, match=message),
    ):
        target_topic(recording, wanted)


def test_a_topic_of_two_types_is_refused(tmp_path: Path) -> None:
    two = [MESSAGES[0], MESSAGES[1]._replace(name="std_msgs/msg/Float64MultiArray")]
    with (
        Recording(write_bag(tmp_path / "bag", two)) as recording,
        pytest.raises(BagError, match=f"{TOPIC} is of type sensor_msgs/msg/JointState and std_ms"),
    ):
        target_topic(recording, TOPIC)


def changed(file: Path, statement: str, *values: Any) -> Path:
    with sqlite3.connect(file) as database:
        database.execute(statement, values)
    database.close()
    return file


def test_a_time_that_is_none_ends_what_can_be_read(tmp_path: Path) -> None:
    file = write_file(tmp_path / "bag.db3", MESSAGES)
    found, problems = read(changed(file, "UPDATE messages SET timestamp = 'now' WHERE id > 30"))
    assert found == DATA[:30]
    assert problems[0].startswith("bag.db3 can not be read past message 30: 'str' object")


@pytest.mark.parametrize("journal", [False, True])
def test_nothing_is_written_beside_a_recording(tmp_path: Path, journal: bool) -> None:
    write_file(tmp_path / "bag.db3", MESSAGES)
    file = write_file(tmp_path / "bag.mcap", MESSAGES)
    if journal:
        file.write_bytes(file.read_bytes()[:-20])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for path in before:
        read(path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_times_of_the_bag_are_told(tmp_path: Path) -> None:
    with Recording(write_bag(tmp_path / "bag", MESSAGES)) as recording:
        times = [message.time_ns for message in recording.messages(TOPIC)]
    assert times == list(itertools.islice(itertools.count(START, PERIOD), 40))
