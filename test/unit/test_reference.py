"""The reference deployment: whatever the model is worth, it is there and judged, or nothing is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("torch", reason="torch, which trains the model")
pytest.importorskip("onnxscript", reason="onnxscript, which torch exports with")

from snippets import run as run_snippet

from zeroproof_ros.bundle import GraphKind, load_bundle
from zeroproof_ros.cli import main
from zeroproof_ros.errors import ConfigError, DeploymentError
from zeroproof_ros.reference import (
    ReferenceRoboticsDeploymentConfig,
    run_reference_robotics_deployment,
)
from zeroproof_ros.report import DeploymentArtifacts, validation_report

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SNIPPET = """
from zeroproof_ros.reference_robotics_deployment import (
    ReferenceRoboticsDeploymentConfig,
    run_reference_robotics_deployment,
)
artifacts = run_reference_robotics_deployment(
    ReferenceRoboticsDeploymentConfig(device="cpu", epochs=2, n_samples=6000)
)
print(artifacts.bundle_model_path)
"""


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> DeploymentArtifacts:
    """What the document's own call makes: a model that has learned next to nothing."""
    folder = tmp_path_factory.mktemp("reference")
    root = Path(__file__).parents[2]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "config").symlink_to(root / "config")
        artifacts: DeploymentArtifacts = run_snippet(SNIPPET)["artifacts"]
    return artifacts


def gates(artifacts: DeploymentArtifacts) -> dict[str, Any]:
    return {gate["name"]: gate for gate in artifacts.validation_summary["gates"]}


def test_the_documents_call_gives_a_bundle_that_is_judged_unfit(poor: DeploymentArtifacts) -> None:
    assert not poor.validation_summary["passed"]
    found = gates(poor)
    assert not found["served_by_model"]["passed"]
    assert found["smoke_test"]["passed"]
    assert not found["calibration"]["passed"]
    assert "no tau_train helps a model that is wrong" in found["calibration"]["why"]
    assert poor.out_root.name == "reference_deploy_robotics"


def test_a_bundle_that_is_unfit_moves_no_arm_by_its_model(poor: DeploymentArtifacts) -> None:
    assert found_unsafe(poor) == 0
    sources = poor.inference_summary
    assert json.dumps(sources)
    bundle = load_bundle(poor.bundle_dir or "")
    assert bundle.kind is GraphKind.PROJECTIVE
    assert bundle.digest == poor.bundle_digest


def found_unsafe(artifacts: DeploymentArtifacts) -> int:
    """Of what was served; what was accepted by the masks is what these thresholds can not judge."""
    why: str = gates(artifacts)["no_unsafe_accept"]["why"]
    return int(why.split(maxsplit=1)[0])


def test_the_metadata_tell_how_the_model_was_made(poor: DeploymentArtifacts) -> None:
    assert poor.bundle_metadata is not None
    deployment = poor.bundle_metadata["deployment"]
    made = deployment["model"]
    assert made["kind"] == "learned"
    assert (made["seed"], made["samples"], made["epochs"]) == (0, 6000, 2)
    assert np.isfinite(made["validation_loss"])
    assert "no tau_train helps" in deployment["validation"]["refused"]


def test_the_shipped_bundle_is_learned_and_says_what_it_reached() -> None:
    shipped = load_bundle(Path(__file__).parents[2] / "config" / "bundles" / "planar_2r")
    assert shipped.deployment is not None
    made, told = shipped.deployment.model, shipped.deployment.validation
    assert (made["kind"], made["seed"]) == ("learned", 0)
    assert told["calibration"]["tau_infer"] == shipped.config.tau_infer
    rates = told["rates"]
    assert rates["coverage"] >= 0.95
    assert rates["gap_rate"] <= 0.03
    assert rates["total_predictions"] >= 20_000
    report = validation_report(shipped)
    assert report.passed
    residuals = report.summary["residuals"]["model"]
    assert residuals["p50"] <= 2e-3
    assert residuals["p95"] <= 1e-2
    assert residuals["max"] <= 5e-2


def test_the_splits_are_judged_on_the_workspace_and_the_test_split_decides(
    poor: DeploymentArtifacts,
) -> None:
    splits = poor.validation_summary["splits"]
    assert set(splits) == {"train", "validation", "calibration", "test"}
    assert splits["test"]["rows"] >= 20_000
    assert poor.validation_summary["judged"] == "test"


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("mine")
    with pytest.raises(ConfigError, match="exists; choose another folder"):
        run_reference_robotics_deployment(ReferenceRoboticsDeploymentConfig(out_dir=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["note"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a readable file"),
        ("[", "is not a readable YAML file"),
        ("word", "holds no deployment block"),
        ("robot: {type: planar_9r}", "metadata|required|robot"),
    ],
)
def test_a_robot_file_that_describes_none_is_refused_and_leaves_nothing(
    tmp_path: Path, content: str | None, message: str
) -> None:
    file = tmp_path / "robot.yaml"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    config = ReferenceRoboticsDeploymentConfig(robot=file, out_dir=tmp_path / "out", epochs=1)
    with pytest.raises(DeploymentError, match=message):
        run_reference_robotics_deployment(config)
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]


def test_a_device_nobody_has_heard_of_is_refused() -> None:
    with pytest.raises(ConfigError, match="device is 'gpu', expected one of auto, cpu, cuda"):
        ReferenceRoboticsDeploymentConfig(device="gpu")


def test_the_verb_says_what_failed_and_where_it_is(
    tmp_path: Path, robot_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    robot = yaml.safe_load(robot_file.read_text("utf-8"))
    robot["robot"]["link_lengths"] = [0.5, 0.3]
    file = tmp_path / "robot.yaml"
    file.write_text(yaml.safe_dump(robot), encoding="utf-8")
    words = ["--samples", "2000", "--epochs", "1", "--seed", "3", "--robot", str(file)]
    assert main(["reference", "--out", str(tmp_path / "out"), *words]) == 1
    out = capsys.readouterr().out
    assert "FAILED  served_by_model" in out
    assert f"bundle: {tmp_path / 'out' / 'bundle'}" in out
    assert load_bundle(tmp_path / "out" / "bundle").deployment is not None
    assert main(["reference", "--out", str(tmp_path / "out"), *words]) == 2
    assert "exists; choose another folder" in capsys.readouterr().err
