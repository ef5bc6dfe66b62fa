"""Processes that end with the benchmark, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

STOP_TIMEOUT = 10.0  # [s]

# Set before rclpy reads it; far from the domains that people use, and another for each run.
os.environ.setdefault("ROS_DOMAIN_ID", str(60 + os.getpid() % 40))
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
# A robot runs without this check of every message field; the tests turn it on.
os.environ.pop("ROS_PYTHON_CHECK_FIELDS", None)


class Process:
    """A Python process whose output is kept for the case that it fails."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.name = " ".join(arguments[:2])
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by end()
        # From the folder of the benchmarks, so that -m finds their modules too.
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=Path(__file__).parents[1],
            stdout=self._log,
            stderr=self._log,
        )

    def check_alive(self) -> None:
        """Raise with the output of the process where it has ended."""
        if self._process.poll() is not None:
            self._log.seek(0)
            output = self._log.read().decode(errors="replace")
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{output}")

    def peak_memory(self) -> float:
        """The largest resident memory so far [MB]."""
        return peak_memory(f"{self._process.pid}")

    def end(self) -> None:
        """Interrupt, and kill where that does not help."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@contextmanager
def running(*commands: Sequence[str]) -> Iterator[list[Process]]:
    """Processes of this Python with these arguments, ended on the way out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    processes: list[Process] = []
    try:
        for arguments in commands:
            processes.append(Process(arguments))  # noqa: PERF401 -- those before a failure must end
        yield processes
    finally:
        for process in processes:
            process.end()


def peak_memory(pid: str = "self") -> float:
    """The largest resident memory of a process so far [MB], as Linux counts it."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
