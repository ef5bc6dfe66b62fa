"""Recordings of rosbag2, sqlite3 or MCAP, with what is wrong with them."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rosbags.rosbag2 import Reader

from zeroproof_ros.bags.mending import mended, whole_part
from zeroproof_ros.errors import BagError

STORAGES = (".mcap", ".db3")
METADATA = "metadata.yaml"
# What SQLite keeps beside a file that was not closed.
JOURNALS = ("-wal", "-journal")


class Recorded(NamedTuple):
    """One message: its topic, when it was recorded [ns], and its bytes."""

    topic: str
    time_ns: int
    data: bytes


class Recording:
    """A bag that is open for reading; a context manager.

    A bag that its recorder did not end, or a damaged one, is read as far as it goes, and says so.

    Args:
        path: a folder of rosbag2, or one of its files.

    Attributes:
        path: as given.
        topics: the type of every topic, for example `sensor_msgs/msg/JointState`; several, where
            it has messages of several types.
        counts: how many messages of each topic the bag says it has.
        problems: why messages may be missing, in sentences; empty for a whole bag. What is found
            while reading is added then.

    Raises:
        BagError: no bag, or one of which nothing can be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.problems: list[str] = []
        self._readers: list[Reader] = []
        self._open = ExitStack()
        try:
            self._open_all()
        except Exception as error:  # a damaged file raises whatever its bytes lead to
            self.close()
            if isinstance(error, BagError):
                raise
            raise BagError(
                f"{self.path} can not be read: {_told(error)}; of a damaged recording `ros2 bag "
                "reindex`, `mcap recover` or `sqlite3 ... .recover` may save more",
                path=self.path,
            ) from error
        types: dict[str, set[str]] = defaultdict(set)
        counts: dict[str, int] = defaultdict(int)
        for reader in self._readers:
            for connection in reader.connections:
                types[connection.topic].add(connection.msgtype)
                counts[connection.topic] += connection.msgcount
        self.topics: Mapping[str, str] = {
            topic: " and ".join(sorted(kinds)) for topic, kinds in types.items()
        }
        self.counts: Mapping[str, int] = dict(counts)

    @property
    def contents(self) -> str:
        """What is in it, in words, for a message about what is not."""
        topics = ", ".join(f"{topic} ({kind})" for topic, kind in sorted(self.topics.items()))
        return "; ".join([f"its topics are {topics or 'none'}", *self.problems])

    def messages(self, *topics: str) -> Iterator[Recorded]:
        """The messages of some topics in recorded order, as far as they can be read."""
        read, told = 0, sum(self.counts.get(topic, 0) for topic in topics)
        for reader in self._readers:
            connections = [c for c in reader.connections if c.topic in topics]
            if not connections:
                continue
            try:
                for connection, time_ns, data in reader.messages(connections):
                    yield Recorded(connection.topic, operator.index(time_ns), data)
                    read += 1
            except Exception as error:  # noqa: BLE001 -- as above; what was read counts
                name = Path(str(reader.path)).name
                self.problems.append(f"{name} can not be read past message {read}: {_told(error)}")
        if read != told:
            self.problems.append(
                f"it says it has {told} messages of {', '.join(topics)}, {read} were found"
            )

    def close(self) -> None:
        """Close all files."""
        self._readers.clear()
        self._open.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_all(self) -> None:
        """Open the bag; file by file where what its recorder wrote of the whole is of no use."""
        folder = self.path.is_dir()
        for journal in self.path.iterdir() if folder else map(self._beside, JOURNALS):
            if journal.name.endswith(JOURNALS) and journal.is_file() and journal.stat().st_size:
                self.problems.append(
                    f"{journal.name} is not read; open the recording with sqlite3 once, which "
                    "takes it in"
                )
        if not folder:
            self._open_file(self.path)
        elif not (self.path / METADATA).exists():
            self.problems.append(f"it has no {METADATA}: its recorder did not end")
            self._open_each()
        else:
            try:
                self._read(self.path)
            except Exception as error:  # noqa: BLE001 -- as above
                self.problems.append(f"it can not be read by its {METADATA}: {_told(error)}")
                self._open_each()

    def _open_each(self) -> None:
        """Open the files of a folder that can be opened."""
        for file in sorted(self.path.iterdir(), key=_position):
            if file.suffix == ".zstd":
                self.problems.append(f"{file.name} is not read; unpack it with `zstd -d` first")
            elif file.suffix in STORAGES:
                try:
                    self._open_file(file)
                except Exception as error:  # noqa: BLE001 -- as above
                    self.problems.append(f"{file.name} can not be read: {_told(error)}")
        if not self._readers:
            raise BagError(
                f"{self.path} is no recording: no file in it that ends in "
                f"{' or '.join(STORAGES)} can be read; {'; '.join(self.problems)}",
                path=self.path,
            )

    def _open_file(self, file: Path) -> None:
        end = whole_part(file) if file.suffix == ".mcap" else None
        if end is not None:
            lost = file.stat().st_size - end
            file = mended(file, end, Path(self._open.enter_context(TemporaryDirectory())))
            self.problems.append(
                f"{file.name} has no end: its recorder was killed, or it was cut; {lost} bytes "
                "after its last whole record are lost"
            )
        self._read(file)

    def _read(self, path: Path) -> None:
        reader = Reader(path)
        reader.open()
        self._open.callback(reader.close)
        told = sum(connection.msgcount for connection in reader.connections)
        if told != reader.message_count:
            self.problems.append(
                f"{path.name} says it has {reader.message_count} messages, and {told} of its topics"
            )
        for connection in reader.connections:  # SQLite holds whatever it was given
            if not all(isinstance(name, str) for name in (connection.topic, connection.msgtype)):
                raise TypeError(f"a topic is {connection.topic!r} of type {connection.msgtype!r}")
        self._readers.append(reader)

    def _beside(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)


def _position(file: Path) -> tuple[int, str]:
    """Files of one recording are numbered: name_9.mcap, name_10.mcap."""
    number = file.stem.rpartition("_")[2]
    return (int(number) if number.isdecimal() else -1, file.name)


def _told(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
