"""An evaluation is the same whoever did the work, and says so when nobody did."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import TOPIC, target, targets, write_bag, write_file

from zeroproof_ros.bags import Evaluation, Recording, document, evaluate, load_ik, workers
from zeroproof_ros.bags.limits import DEFAULT_LIMITS
from zeroproof_ros.errors import BagError, DigestMismatchError, WorkerError
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.pipeline import Policy

SERVING = Serving(Policy(bottom_policy="reject", step_duration=0.05), 0.25, "multi_array")


@pytest.fixture
def scheduler() -> Iterator[str]:
    """The address of a Dask cluster of two processes that nobody else can reach."""
    distributed = pytest.importorskip("distributed", reason="distributed, the cluster")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A long recording, a short one, a damaged one, and one whose targets come as tables."""
    folder = tmp_path_factory.mktemp("bags")
    long = write_bag(folder / "long", targets(400))
    short = write_file(folder / "short.db3", targets(3, seed=1))
    cut = write_file(folder / "cut.mcap", targets(20, seed=2))
    cut.write_bytes(cut.read_bytes()[:-100])
    rows = np.random.default_rng(3).normal(size=(50, 4))
    tables = [target(rows[i : i + 10], 10**9 + i, "point_cloud") for i in range(0, 50, 10)]
    return [long, short, cut, write_bag(folder / "tables", tables)]


def evaluated(
    paths: Sequence[Path], bundle: Path, out: Path, executor: Executor | None
) -> Evaluation:
    return evaluate(paths, load_ik(bundle, SERVING), out, SERVING, topic=TOPIC, executor=executor)


def everything(evaluation: Evaluation, out: Path) -> tuple[Any, ...]:
    """All that an evaluation leaves behind."""
    with np.load(out / "rows.npz") as file:
        columns = {name: (file[name].dtype, file[name].tobytes()) for name in file.files}
    with Recording(out / "result.mcap") as recording:
        messages = list(recording.messages(*recording.topics))
        topics = dict(recording.topics)
    told = document([evaluation], DEFAULT_LIMITS, against=None, tolerance=0.0)
    return columns, topics, messages, told


def test_processes_here_give_the_same(
    tmp_path: Path, paths: list[Path], exact_folder: Path
) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    expected = everything(evaluated(paths, exact_folder, alone, None), alone)
    with workers.workers(2) as executor:
        found = everything(evaluated(paths, exact_folder, together, executor), together)
    assert found == expected
    assert len(found[2]) > 428  # results, and commands
    assert multiprocessing.active_children() == []


def test_a_cluster_gives_the_same(
    tmp_path: Path, paths: list[Path], exact_folder: Path, scheduler: str
) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    # what is relative here is something else there
    relative = [Path(os.path.relpath(path)) for path in paths]
    expected = everything(evaluated(paths, exact_folder, alone, None), alone)
    with workers.cluster(scheduler) as executor:
        found = everything(evaluated(relative, exact_folder, together, executor), together)
    assert [Path(bag["path"]).resolve() for bag in found[3]["evaluations"][0]["bags"]] == paths
    for part in (expected, found):
        assert all(Path(bag["path"]).is_absolute() for bag in part[3]["evaluations"][0]["bags"])
        for bag in part[3]["evaluations"][0]["bags"]:
            bag.pop("path")
    assert found == expected


def test_one_worker_is_this_process() -> None:
    with workers.workers(1) as executor:
        assert executor is None


def test_a_worker_that_dies_is_told(tmp_path: Path, paths: list[Path], exact_folder: Path) -> None:
    with workers.workers(2) as executor:
        assert executor is not None
        assert executor.submit(os._exit, 1).exception() is not None
        with pytest.raises(WorkerError, match="no worker answered .*long: BrokenProcessPool") as e:
            evaluated(paths, exact_folder, tmp_path / "out", executor)
        assert e.value.path == paths[0]
    assert list((tmp_path / "out").iterdir()) == []
    assert multiprocessing.active_children() == []


def test_a_bundle_that_changed_is_refused(tmp_path: Path, paths: list[Path], good: Path) -> None:
    ik = load_ik(good, SERVING)
    metadata = good / "metadata.json"
    metadata.write_text(metadata.read_text("utf-8") + "\n", encoding="utf-8")
    with workers.workers(2) as executor, pytest.raises(DigestMismatchError, match="digest"):
        evaluate(paths, ik, tmp_path / "out", SERVING, topic=TOPIC, executor=executor)
    assert list((tmp_path / "out").iterdir()) == []


def test_workers_answer_for_the_robot_that_was_read_here(
    tmp_path: Path, paths: list[Path], exact_folder: Path, robot_file: Path
) -> None:
    file = tmp_path / "robot.yaml"
    text = robot_file.read_text("utf-8")
    file.write_text(text.replace("base_link", "pedestal"), encoding="utf-8")
    serving = Serving(SERVING.policy, SERVING.target_timeout, deployment_file=str(file))
    ik = load_ik(exact_folder, serving)
    file.write_text(text.replace("base_link", "elsewhere"), encoding="utf-8")
    here, there = (evaluate(paths[:1], ik, tmp_path / name, serving, topic=TOPIC) for name in "ab")
    with workers.workers(2) as executor:
        there = evaluate(paths[:1], ik, tmp_path / "c", serving, topic=TOPIC, executor=executor)
    assert everything(here, tmp_path / "a") == everything(there, tmp_path / "c")
    assert here.ik.deployment.base_frame == "pedestal"


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="distributed, the cluster")
    monkeypatch.setattr(workers, "CONNECT_TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with (
            pytest.raises(WorkerError, match=f"no Dask scheduler answers at '{address}': ") as e,
            workers.cluster(address),
        ):
            pass
    assert e.value.found == address
    for wrong in ("nonsense", "tcp://127.0.0.1", "carrier-pigeon://coop:1", ""):
        with (
            pytest.raises(WorkerError, match="expected an address such as"),
            workers.cluster(wrong),
        ):
            pass


def test_a_scheduler_without_workers_is_refused() -> None:
    distributed = pytest.importorskip("distributed", reason="distributed, the cluster")
    with (
        distributed.LocalCluster(
            n_workers=0, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as empty,
        pytest.raises(WorkerError, match="has no workers"),
        workers.cluster(empty.scheduler_address),
    ):
        pass


def test_a_refusal_travels_between_processes(tmp_path: Path) -> None:
    error = BagError("it can not be read", found=1, expected=(2, 3), path=tmp_path)
    other = pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own
    assert (type(other), str(other), vars(other)) == (BagError, str(error), vars(error))
