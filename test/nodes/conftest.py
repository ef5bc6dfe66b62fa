"""Nodes as processes over real DDS; see node_process, client and strict_harness."""

from __future__ import annotations

import json
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Read when rclpy and the message packages are first used.
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ.setdefault("ROS_PYTHON_CHECK_FIELDS", "1")

with warnings.catch_warnings():
    # its parser warns of a module of the standard library, which is not ours
    warnings.simplefilter("ignore")
    import rosidl_generator_py  # noqa: F401 -- else the first publisher imports it

import pytest
from client import Client
from node_process import NodeProcess, Start, environment, free_domain
from strict_harness import BUNDLE, Serve

from zeroproof_ros.bundle import load_bundle, write_bundle
from zeroproof_ros.pipeline import Policy, StrictIK


@pytest.fixture(scope="session")
def domain() -> Iterator[int]:
    with free_domain() as domain:
        yield domain


@pytest.fixture(scope="module")
def client(domain: int) -> Iterator[Client]:
    client = Client(domain)
    yield client
    client.close()


@pytest.fixture(scope="session")
def names() -> Iterator[int]:
    """Numbers that make names of nodes unique within the session."""
    return iter(range(10_000))


@contextmanager
def _starting(domain: int, folder: Path) -> Iterator[Start]:
    running: list[NodeProcess] = []

    def start(module: str, *arguments: str, **parameters: Any) -> NodeProcess:
        process = NodeProcess(
            module,
            parameters,
            arguments,
            env=environment(domain, folder),
            output=folder / f"{module}-{len(running)}.txt",
        )
        running.append(process)
        return process

    try:
        yield start
    finally:
        for process in running:
            process.signal(signal.SIGINT)
        for process in running:
            # all have to be waited for, whatever became of the first
            process.wait()
        for process in running:
            process.ended_well()


@pytest.fixture
def start(domain: int, tmp_path: Path) -> Iterator[Start]:
    """Starts nodes that end with the test, with exit code 0 and without a traceback."""
    with _starting(domain, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared(domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """As `start`, for nodes that the tests of a module share."""
    with _starting(domain, tmp_path_factory.mktemp("nodes")) as start:
        yield start


@pytest.fixture
def serve(start: Start, client: Client, names: Iterator[int]) -> Serve:
    """Starts a strict_ik_node with the exact bundle, and waits until it answers."""
    return Serve(start, client, names)


@pytest.fixture(scope="module")
def serve_shared(start_shared: Start, client: Client, names: Iterator[int]) -> Serve:
    """As `serve`, for nodes that the tests of a module share."""
    return Serve(start_shared, client, names)


@pytest.fixture(scope="session")
def solver() -> Callable[..., StrictIK]:
    """The numeric core that a node with the exact bundle has to agree with."""
    bundle = load_bundle(BUNDLE)
    return lambda **policy: StrictIK(bundle, Policy(**policy))


@pytest.fixture
def other_bundle(tmp_path: Path) -> Callable[..., Path]:
    """Writes the exact bundle with other metadata, by default with other thresholds."""

    def write(name: str = "other", **changes: Any) -> Path:
        metadata = json.loads((BUNDLE / "metadata.json").read_text())
        metadata |= {"tau_infer": 0.1, "tau_train": 0.2, **changes}
        write_bundle(tmp_path / name, (BUNDLE / "model.onnx").read_bytes(), metadata)
        return tmp_path / name

    return write
