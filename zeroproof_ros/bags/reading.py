"""Recordings of rosbag2, sqlite3 or MCAP, with what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rosbags.rosbag2 import Reader

from zeroproof_ros.errors import BagError

STORAGES = (".mcap", ".db3")
METADATA = "metadata.yaml"


class Recorded(NamedTuple):
    """One message: its topic, when it was recorded [ns], and its bytes."""

    topic: str
    time_ns: int
    data: bytes


class Recording:
    """A bag that is open for reading; a context manager.

    A bag that its recorder did not end is read as far as it goes, and says so.

    Args:
        path: a folder of rosbag2, or one of its files.

    Attributes:
        path: as given.
        topics: the type of every topic, for example `sensor_msgs/msg/JointState`.
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
        try:
            for file in self._files():
                self._readers.append(Reader(file))
                self._readers[-1].open()
        except Exception as error:  # a damaged file raises whatever its bytes lead to
            self.close()
            raise _unreadable(self.path, error) from error
        self.topics: Mapping[str, str] = {
            c.topic: c.msgtype for reader in self._readers for c in reader.connections
        }
        self.counts = dict.fromkeys(self.topics, 0)
        for reader in self._readers:
            for connection in reader.connections:
                self.counts[connection.topic] += connection.msgcount

    def messages(self, *topics: str) -> Iterator[Recorded]:
        """The messages of some topics in recorded order, as far as they can be read."""
        read = 0
        for reader in self._readers:
            connections = [c for c in reader.connections if c.topic in topics]
            if not connections:
                continue
            try:
                for connection, time_ns, data in reader.messages(connections):
                    yield Recorded(connection.topic, time_ns, bytes(data))
                    read += 1
            except Exception as error:  # noqa: BLE001 -- as above; what was read counts
                self.problems.append(f"it can not be read past message {read}: {_told(error)}")
                return
        told = sum(self.counts[topic] for topic in topics)
        if read != told:
            self.problems.append(f"it says it has {told} messages, {read} were found")

    def close(self) -> None:
        """Close all files."""
        for reader in self._readers:
            with suppress(Exception):  # one that did not open
                reader.close()
        self._readers.clear()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _files(self) -> list[Path]:
        """What to open: the bag, or the files of one whose recorder did not write what is in it."""
        if not self.path.is_dir() or (self.path / METADATA).exists():
            return [self.path]
        files = [file for file in self.path.iterdir() if file.suffix in STORAGES]
        if not files:
            raise BagError(
                f"{self.path} is no recording: it has neither {METADATA} nor a file that ends in "
                f"{' or '.join(STORAGES)}",
                path=self.path,
            )
        self.problems.append(f"it has no {METADATA}: its recorder did not end")
        return sorted(files, key=_position)


def _position(file: Path) -> tuple[int, str]:
    """Files of one recording are numbered: name_9.mcap, name_10.mcap."""
    number = file.stem.rpartition("_")[2]
    return (int(number) if number.isdecimal() else -1, file.name)


def _unreadable(path: Path, error: Exception) -> BagError:
    if isinstance(error, BagError):
        return error
    return BagError(
        f"{path} can not be read: {_told(error)}. If its recorder was killed, `ros2 bag reindex` "
        "or `mcap recover` may save it",
        path=path,
    )


def _told(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
