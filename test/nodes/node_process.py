"""A node of this package as a process of its own, in a ROS domain that nobody else uses."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DEADLINE = 30.0  # [s], for a machine that is busy with other things


@contextmanager
def free_domain() -> Iterator[int]:
    """A domain id that no other test session on this machine has; its ports are not ephemeral."""
    for domain in itertools.chain(range(10 + os.getpid() % 40, 50), range(1, 50)):
        lock = Path(tempfile.gettempdir()) / f"zeroproof_ros_test_domain_{domain}.lock"
        with lock.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    raise RuntimeError("all ROS domains from 1 to 49 are taken by other test sessions")


def environment(domain: int, log_dir: Path) -> dict[str, str]:
    """What every process of a test session runs with."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "ROS_DOMAIN_ID": str(domain),
        "ROS_LOG_DIR": str(log_dir),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_PYTHON_CHECK_FIELDS": "1",
    }


class NodeProcess:
    """A running node, its output in a file.

    Args:
        module: the module in `zeroproof_ros.nodes`.
        parameters: given by `-p`.
        arguments: more arguments after `--ros-args`; what comes later wins.
    """

    def __init__(
        self,
        module: str,
        parameters: Mapping[str, Any],
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        output: Path,
    ) -> None:
        self.expected_code = 0
        assignments = [f"{name}:={json.dumps(value)}" for name, value in parameters.items()]
        options = [part for each in assignments for part in ("-p", each)]
        self._file = output
        with output.open("w") as file:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", f"zeroproof_ros.nodes.{module}"),
                    *("--ros-args", *arguments, *options),
                ],
                env=dict(env),
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        """What it wrote to stdout and stderr until now."""
        return self._file.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal(self, by: signal.Signals) -> None:
        """Send a signal to a node that has not ended yet."""
        if self.running:
            self.process.send_signal(by)

    def wait(self) -> int:
        """The exit code of a node that ends now; one that does not is killed, which is -9."""
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def ended_well(self) -> None:
        """Wait for its end; demand exit code 0 and no traceback since its start."""
        code = self.wait()
        assert code == self.expected_code, f"exit code {code}:\n{self.output}"
        assert "Traceback" not in self.output, self.output


Start = Callable[..., NodeProcess]
