"""Recordings answered by one bundle: one after the other, or by several processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroproof_ros.bags.answering import (
    ORIGIN,
    AnsweredBag,
    BagFacts,
    Progress,
    answer_bag,
)
from zeroproof_ros.bags.reading import Recording
from zeroproof_ros.bags.targets import target_topic
from zeroproof_ros.bags.writing import BagFile
from zeroproof_ros.bundle import Deployment, load_bundle, read_deployment
from zeroproof_ros.errors import BagError, WorkerError, ZeroProofError
from zeroproof_ros.files import replacing
from zeroproof_ros.messages.serving import Serving
from zeroproof_ros.pipeline import StrictIK

RESULT_FILE = "result.mcap"
ROWS_FILE = "rows.npz"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All recordings as one bundle answered them.

    Attributes:
        ik: what answered.
        serving: how.
        bags: what is told of each recording, in the order they were given.
        rows: (N,) result rows of all recordings, one after the other.
        origin: (N,) where each row came from, see `answering.ORIGIN`.
    """

    ik: StrictIK
    serving: Serving
    bags: tuple[BagFacts, ...]
    rows: NDArray[Any]
    origin: NDArray[Any]

    @property
    def complete(self) -> bool:
        """Whether every recording could be read as a whole."""
        return not any(bag.problems for bag in self.bags)


@dataclass(frozen=True)
class _Task:
    """One recording for another process; what it needs is found there by path."""

    path: str
    bundle_dir: str
    digest: str
    deployment: Deployment
    serving: Serving
    topic: str | None


def evaluate(
    paths: Sequence[Path | str],
    ik: StrictIK,
    out: Path,
    serving: Serving,
    *,
    topic: str | None = None,
    executor: Executor | None = None,
    progress: Progress = lambda *_: None,
) -> Evaluation:
    """Answer recordings and write RESULT_FILE and ROWS_FILE, the same whoever did the work.

    Args:
        paths: the recordings; what is told of them has absolute paths.
        ik: what answers, see `load_ik`.
        out: folder of the files.
        serving: how strict_ik_node would serve.
        topic: see `answer_bag`.
        executor: processes that find recordings and bundle by the same paths, each of which gets
            one recording after the other; None to work here.
        progress: see `answer_bag`, over all recordings; an executor's after each recording.

    Raises:
        BagError: a recording or a file that is refused; then no file is written.
        DigestMismatchError: another process finds another bundle.
        WorkerError: another process ended, or is no such process as this.
    """
    bundle = ik.bundle
    tasks = [
        _Task(
            path=str(Path(path).absolute()),
            bundle_dir=str(bundle.path),
            digest=bundle.digest,
            deployment=ik.deployment,
            serving=serving,
            topic=topic,
        )
        for path in paths
    ]
    with BagFile(out / RESULT_FILE) as result:
        work = _here(tasks, ik, result, progress)
        if executor is not None:
            work = _elsewhere(tasks, executor, result, progress)
        answered = list(work)
    origins = [bag.origin for bag in answered]
    for index, origin in enumerate(origins):
        origin["bag"] = index
    evaluation = Evaluation(
        ik=ik,
        serving=serving,
        bags=tuple(bag.facts for bag in answered),
        rows=np.concatenate([bag.rows for bag in answered]),
        origin=np.concatenate(origins),
    )
    write_rows(out / ROWS_FILE, evaluation)
    return evaluation


def write_rows(path: Path, evaluation: Evaluation) -> None:
    """Write every column of every row under its name, and where the rows came from.

    Raises:
        BagError: the file can not be written.
    """
    layout = evaluation.ik.layout
    columns: dict[str, Any] = {name: evaluation.origin[name] for name in ORIGIN.names or ()}
    names = {"in": layout.features, "decoded": layout.outputs, "resolved": layout.outputs}
    for field in layout.dtype.names or ():
        values = evaluation.rows[field]
        for index, name in enumerate(names.get(field, ())):
            columns[f"{field}.{name}"] = values[:, index]
        if field not in names:
            columns[field] = values
    try:
        with replacing(path) as staging, staging.open("wb") as file:
            np.savez(file, **columns)
    except OSError as error:
        raise BagError(f"{path} can not be written: {error}", path=path) from error


def _here(
    tasks: Sequence[_Task], ik: StrictIK, result: BagFile, progress: Progress
) -> Iterator[AnsweredBag]:
    total, read, rows = sum(map(_messages, tasks)), 0, 0

    def told(messages: int, _: int, more: int) -> None:
        progress(read + messages, total, rows + more)

    for task in tasks:
        bag = answer_bag(task.path, ik, result, task.serving, topic=task.topic, progress=told)
        read, rows = read + bag.facts.messages, rows + bag.facts.rows
        yield bag


def _elsewhere(
    tasks: Sequence[_Task], executor: Executor, result: BagFile, progress: Progress
) -> Iterator[AnsweredBag]:
    total, read, rows = sum(map(_messages, tasks)), 0, 0
    answers = _submitted(tasks, executor)
    for task in tasks:
        bag, written = _next(answers, task)
        with tempfile.TemporaryDirectory() as folder:
            part = Path(folder) / RESULT_FILE
            part.write_bytes(written)
            with Recording(part) as recording:
                for message in recording.messages(*recording.topics):
                    name = recording.topics[message.topic]
                    result.write_data(message.topic, name, message.data, message.time_ns)
        read, rows = read + bag.facts.messages, rows + bag.facts.rows
        progress(read, total, rows)
        yield bag


def _submitted(tasks: Sequence[_Task], executor: Executor) -> Iterator[tuple[AnsweredBag, bytes]]:
    """What `_answer` returns for each task; what submitting raises comes with the first, too."""
    yield from executor.map(_answer, tasks)


def _next(answers: Iterator[tuple[AnsweredBag, bytes]], task: _Task) -> tuple[AnsweredBag, bytes]:
    """The next of what `_answer` returns, which is for this task."""
    try:
        return next(answers)
    except ZeroProofError:
        raise
    except Exception as error:  # a process that ended, or that misses or has another library
        raise WorkerError(
            f"no worker answered {task.path}: {type(error).__name__}: {error}; workers must live, "
            "and have this package, its libraries and its Python in the same versions",
            path=Path(task.path),
        ) from error


def _answer(task: _Task) -> tuple[AnsweredBag, bytes]:
    """What another process does."""
    # Nothing is kept for the next recording: a bundle takes milliseconds, and may have changed.
    bundle = load_bundle(task.bundle_dir, deployment=task.deployment, expected_digest=task.digest)
    ik = StrictIK(bundle, task.serving.policy)
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / RESULT_FILE
        with BagFile(part) as result:
            bag = answer_bag(task.path, ik, result, task.serving, topic=task.topic)
        return bag, part.read_bytes()


def load_ik(bundle_dir: Path | str, serving: Serving) -> StrictIK:
    """The bundle in a folder, and how it serves.

    Raises:
        ZeroProofError: the bundle or the deployment file is refused.
    """
    file = serving.deployment_file
    deployment = read_deployment(Path(file)) if file else None
    return StrictIK(load_bundle(bundle_dir, deployment=deployment), serving.policy)


def _messages(task: _Task) -> int:
    with Recording(task.path) as recording:
        return recording.counts[target_topic(recording, task.topic)]
