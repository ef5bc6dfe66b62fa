"""Recordings for the tests, written by rosbags in every form that it knows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from builtin_interfaces.msg import Time
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from std_msgs.msg import Header

from zeroproof_ros.bags.answering import AnsweredBag, answer_bag
from zeroproof_ros.bags.cdr import STORE, to_cdr, type_name
from zeroproof_ros.bags.reading import Recording
from zeroproof_ros.bags.writing import BagFile
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.messages.targets import (
    NANOSECONDS,
    joint_state_from_rows,
    multi_array_from_rows,
    point_cloud_from_rows,
)
from zeroproof_ros.pipeline import StrictIK

TOPIC = "/strict_ik_node/target"
FEATURES = ("theta1", "theta2", "dx", "dy")
START = 1_700_000_000 * NANOSECONDS
PERIOD = 20_000_000  # [ns]

# Rows of the exact bundle: served by the model, without a value, in the gap, out of reach.
GOOD = (0.3, 1.2, 0.01, -0.02)
BOTTOM = (0.3, 0.0, -0.01, 0.0)
GAP = (0.3, 0.0375, -0.0002, 0.0001)
FAR = (0.3, 0.0, 0.5, 0.0)


class Message(NamedTuple):
    """What a bag holds of a message."""

    topic: str
    name: str
    data: bytes
    time_ns: int


def header(stamp_ns: int, frame: str = "") -> Header:
    sec, nanosec = divmod(stamp_ns, NANOSECONDS)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame)


def target(
    rows: Any,
    time_ns: int = START,
    target_type: str = "joint_state",
    *,
    stamp_ns: int | None = None,
    frame: str = "",
    topic: str = TOPIC,
) -> Message:
    """A target, stamped when it is recorded unless told otherwise."""
    rows = np.atleast_2d(np.array(rows, dtype=np.float64))
    head = header(time_ns if stamp_ns is None else stamp_ns, frame)
    if target_type == "joint_state":
        message = joint_state_from_rows(rows, FEATURES, head)
    elif target_type == "point_cloud":
        message = point_cloud_from_rows(rows, FEATURES, head)
    else:
        message = multi_array_from_rows(rows, FEATURES)
    return Message(topic, type_name(type(message)), to_cdr(message), time_ns)


def targets(count: int, seed: int = 0, start: int = START) -> list[Message]:
    """Single targets, one in five of them without a value."""
    random = np.random.default_rng(seed)
    rows = np.concatenate(
        [random.uniform(-2.5, 2.5, (count, 2)), random.normal(0, 0.01, (count, 2))], axis=1
    )
    rows[::5, 1] = 0.0
    return [target(row, start + index * PERIOD) for index, row in enumerate(rows)]


def write_bag(
    folder: Path,
    messages: Sequence[Message],
    *,
    storage: StoragePlugin = StoragePlugin.MCAP,
    version: int = 9,
    mode: CompressionMode = CompressionMode.NONE,
) -> Path:
    """A folder of rosbag2 with one file."""
    writer = Writer(folder, version=version, storage_plugin=storage)  # type: ignore[arg-type]
    writer.set_compression(mode, CompressionFormat.ZSTD)
    connections: dict[tuple[str, str], Any] = {}
    writer.open()
    for topic, name, data, time_ns in messages:
        if (topic, name) not in connections:
            connections[topic, name] = writer.add_connection(topic, name, typestore=STORE)
        writer.write(connections[topic, name], time_ns, data)
    writer.close()
    return folder


def write_file(path: Path, messages: Sequence[Message], **how: Any) -> Path:
    """A single file, whose ending says which."""
    storage = StoragePlugin.MCAP if path.suffix == ".mcap" else StoragePlugin.SQLITE3
    folder = write_bag(path.with_suffix(".folder"), messages, storage=storage, **how)
    (made,) = folder.glob(f"*{path.suffix}")
    made.replace(path)
    shutil.rmtree(folder)
    return path


def write_split(folder: Path, parts: Sequence[Sequence[Message]], **how: Any) -> Path:
    """A folder with several files, as a recorder makes it that starts a new one now and then."""
    folder.mkdir()
    whole: dict[str, Any] = {}
    for index, part in enumerate(parts):
        made = write_bag(folder / f"{folder.name}_{index}", part, **how)
        told = yaml.safe_load((made / "metadata.yaml").read_text("utf-8"))
        told = told["rosbag2_bagfile_information"]
        (file,) = told["relative_file_paths"]
        (made / file).replace(folder / file)
        shutil.rmtree(made)
        if not whole:
            whole = told
            continue
        whole["relative_file_paths"].append(file)
        whole["message_count"] += told["message_count"]
        for mine, more in zip(
            whole["topics_with_message_count"], told["topics_with_message_count"], strict=True
        ):
            mine["message_count"] += more["message_count"]
    (folder / "metadata.yaml").write_text(
        yaml.safe_dump({"rosbag2_bagfile_information": whole}), encoding="utf-8"
    )
    return folder


def read(path: Path, *topics: str) -> tuple[list[bytes], list[str]]:
    """The messages of some topics, of all if none is named, and what is told of them."""
    with Recording(path) as recording:
        found = [message.data for message in recording.messages(*topics or recording.topics)]
        return found, recording.problems


def answered(
    path: Path, ik: StrictIK, out: Path, serving: Serving | None = None, topic: str | None = None
) -> AnsweredBag:
    """A recording as `answer_bag` answers it; what it writes goes to `out`."""
    with BagFile(out) as bag:
        return answer_bag(path, ik, bag, serving or Serving(), topic=topic)
