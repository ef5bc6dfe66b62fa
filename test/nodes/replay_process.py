"""`python3 -m zeroproof_ros replay` as a process, and bags for it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from node_process import DEADLINE, ROOT

from zeroproof_ros.bags import BagFile, Recording
from zeroproof_ros.bags.cdr import from_cdr
from zeroproof_ros.messages.results import result_from_msg

SHIPPED = ROOT / "config" / "bags" / "planar_2r.mcap"


class ReplayProcess:
    """A replay that runs; standard output and errors go to files."""

    def __init__(self, arguments: Sequence[object], env: Mapping[str, str], folder: Path) -> None:
        self._out, self._err = folder / "replay.out", folder / "replay.err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "zeroproof_ros", "replay", *map(str, arguments)],
                env=dict(env),
                stdout=out,
                stderr=err,
            )

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def ended(self, code: int) -> str:
        """What it wrote; demands this exit code and no traceback."""
        try:
            found = self.process.wait(2 * DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            found = self.process.wait()
        text = self._out.read_text() + self._err.read_text()
        assert "Traceback" not in text, text
        assert found == code, f"exit code {found}:\n{text}"
        return text


def told(text: str) -> dict[str, str]:
    """The lines of a report by their labels."""
    return dict(re.findall(r"^ *(\S+(?: \S+)*) {2,}(.*)$", text, re.MULTILINE))


def write_bag(path: Path, messages: Sequence[tuple[float, Any]]) -> Path:
    """A recording of targets at times [s]; bytes are written as they are, as joint states."""
    with BagFile(path) as bag:
        for seconds, message in messages:
            time_ns = round(seconds * 1e9)
            if isinstance(message, bytes):
                bag.write_data("/arm/target", "sensor_msgs/msg/JointState", message, time_ns)
            else:
                bag.write("/arm/target", message, time_ns)
    return path


def bytes_of(path: Path, topic: str) -> list[bytes]:
    """Everything that was recorded on a topic, as it came."""
    with Recording(path) as bag:
        return [message.data for message in bag.messages(topic)]


def messages_of(path: Path, topic: str) -> list[tuple[int, Any]]:
    """Time [ns] and message of everything that was recorded on a topic."""
    with Recording(path) as bag:
        read = [(m.time_ns, from_cdr(m.data, bag.topics[topic])) for m in bag.messages(topic)]
        assert bag.problems == []
    return read


def rows_of_results(path: Path, topic: str) -> np.ndarray:
    """All rows (N,) of the results of a recording."""
    return np.concatenate([result_from_msg(m).rows for _, m in messages_of(path, topic)])
