"""One MCAP file of ROS messages."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from zeroproof_ros.bags.cdr import STORE, to_cdr, type_name
from zeroproof_ros.errors import BagError


class BagFile:
    """An MCAP file while it is written; a context manager.

    It appears under its name when all is written, and not at all after an error.

    Args:
        path: the file, which is replaced.

    Raises:
        BagError: it can not be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connections: dict[str, Connection] = {}
        if path.suffix != ".mcap":
            raise BagError(f"{path} is no MCAP file, expected a name that ends in .mcap", path=path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        except OSError as error:
            raise BagError(f"{path} can not be written: {error}", path=path) from error
        # rosbag2 names the file after its folder.
        self._writer = Writer(
            self._folder / path.stem,
            version=Writer.VERSION_LATEST,
            storage_plugin=StoragePlugin.MCAP,
        )
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()

    def write(self, topic: str, message: Any, time_ns: int) -> None:
        """Append a ROS message, recorded at a time [ns]."""
        self.write_data(topic, type_name(type(message)), to_cdr(message), time_ns)

    def write_data(self, topic: str, name: str, data: bytes, time_ns: int) -> None:
        """Append a message of the type `name` that is bytes already."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, name, typestore=STORE)
        try:
            self._writer.write(self._connections[topic], time_ns, data)
        except OSError as error:
            raise BagError(f"{self.path} can not be written: {error}", path=self.path) from error

    def __enter__(self) -> BagFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._writer.close()
            if kind is None:
                (self._folder / self.path.stem / self.path.name).replace(self.path)
        except OSError as failure:
            raise BagError(
                f"{self.path} can not be written: {failure}", path=self.path
            ) from failure
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
