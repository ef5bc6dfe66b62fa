"""Bundles made and read by zeroproofml, each version in a process of its own, and made by us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from answers import Answer
from cases import CASES, OURS, VERSIONS
from models import LINKS, MODELS, module
from readings import Folders, Reading, Readings
from rows import batches

from zeroproof_ros.bundle import GraphKind
from zeroproof_ros.contract import InferenceConfig

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def versions() -> Path:
    """The folder in which each version of zeroproofml has a folder of its name."""
    if "INTEROP" not in os.environ:
        pytest.skip(f"needs zeroproofml {' and '.join(VERSIONS)}: `make unit` with Python 3.11")
    return Path(os.environ["INTEROP"])


@pytest.fixture(scope="session")
def folders(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """All bundles, theirs and ours."""
    out = tmp_path_factory.mktemp("bundles")
    _run_all(versions, "export", {}, dict.fromkeys(VERSIONS, out))
    _write_our_bundles(out)
    return {case.name: out / case.name for case in CASES}


@pytest.fixture(scope="session")
def readings(
    versions: Path, folders: Folders, tmp_path_factory: pytest.TempPathFactory
) -> Readings:
    """All bundles, read by all versions."""
    out = tmp_path_factory.mktemp("questions")
    for model in MODELS:
        np.savez(out / f"{model.name}.npz", **batches(model))
    bundles = {
        case.name: {
            "path": str(folders[case.name]),
            "batches": str(out / f"{case.model.name}.npz"),
        }
        for case in CASES
    }
    outs = {version: tmp_path_factory.mktemp("readings") for version in VERSIONS}
    _run_all(versions, "read", {"bundles": bundles}, outs)
    found = {}
    for version, out in outs.items():
        said = json.loads((out / "readings.json").read_text("utf-8"))
        for name in bundles:
            found[version, name] = Reading(said[name], _answers(out / f"{name}.npz"))
    return found


def _run_all(versions: Path, task: str, job: Mapping[str, Any], outs: Mapping[str, Path]) -> None:
    """Run foreign.py under every version at the same time."""
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(_run, versions / v, task, job, out) for v, out in outs.items()]
    for run in runs:
        run.result()


def _run(packages: Path, task: str, job: Mapping[str, Any], out: Path) -> None:
    """Run foreign.py where only the packages of one version are found."""
    job_file = out / f"{task}-{packages.name}.json"
    job = {**job, "version": packages.name, "out": str(out)}
    job_file.write_text(json.dumps(job), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, Path(__file__).with_name("foreign.py"), task, job_file],
        env={**os.environ, "PYTHONPATH": str(packages)},
        # Not in the repository, so that nothing is found there by chance.
        cwd=out,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{packages.name} {task}:\n{result.stdout}{result.stderr}"


def _answers(path: Path) -> Mapping[str, Answer]:
    answers: dict[str, dict[str, Any]] = {}
    if path.is_file():
        for name, array in np.load(path).items():
            batch, field = name.split("/")
            answers.setdefault(batch, {})[field] = array
    return answers


def _write_our_bundles(out: Path) -> None:
    import torch

    from zeroproof_ros.training.exact_planar_2r import write_exact_bundle
    from zeroproof_ros.training.export import export_bundle
    from zeroproof_ros.training.wrapper import SCMInferenceWrapper

    robot = ROOT / "config" / "robots" / "planar_2r.yaml"
    block = yaml.safe_load(robot.read_text("utf-8"))
    block["robot"]["link_lengths"] = list(LINKS)
    for case in OURS:
        model, folder = case.model, out / case.name
        config = InferenceConfig(model.tau_infer, model.tau_train)
        if case.form == "exported":
            wrapped = SCMInferenceWrapper(module(model), config=config).eval()
            export_bundle(wrapped, folder, example_inputs=(torch.ones(2, model.features),))
        else:
            write_exact_bundle(folder, block, config, kind=GraphKind[case.form.upper()])
