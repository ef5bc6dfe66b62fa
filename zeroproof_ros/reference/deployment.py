"""Train a model of a planar two-link arm, calibrate it, export it, run it, and judge it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from zeroproof_ros.bundle import Bundle, Deployment, load_bundle, write_with_thresholds
from zeroproof_ros.bundle.strict_yaml import read_yaml
from zeroproof_ros.calibration import (
    Calibration,
    Objective,
    calibrate,
    calibration_curves,
    default_det_bound,
    draw_calibration,
    write_tau_infer_sweep,
)
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import CalibrationError, ConfigError, DeploymentError
from zeroproof_ros.monitor import SCMMonitor
from zeroproof_ros.pipeline import held_out
from zeroproof_ros.report import (
    DeploymentArtifacts,
    load_reference_robotics_deployment_artifacts,
    validation_report,
    write_report,
)
from zeroproof_ros.training.planar_2r_rows import Rows, Stratum
from zeroproof_ros.training.train_planar_2r import TrainedPlanar2R, train_planar_2r

DEVICES = ("auto", "cpu", "cuda")
# From tau_train on, 95 % of the rows miss their step by no more than this share of it.
RESIDUAL = 0.02
BUNDLE = "bundle"


@dataclass(frozen=True)
class ReferenceRoboticsDeploymentConfig:
    """What is deployed, and how it is trained.

    Args:
        robot: YAML file with the `deployment` block of a planar_2r arm.
        out_dir: the folder that is made; it must not exist.
        n_samples: training rows.
        epochs: passes over them.
        seed: of rows, weights and order.
        device: where the model is trained: "cpu", "cuda", or "auto" for CUDA where torch has it.
            The bundle runs on the CPU here.
        progress: whether a bar is shown.

    Raises:
        ConfigError: another device.
    """

    robot: Path | str = "config/robots/planar_2r.yaml"
    out_dir: Path | str = "results/reference_deploy_robotics"
    n_samples: int = 100_000
    epochs: int = 100
    seed: int = 0
    device: str = "cpu"
    progress: bool = False

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise ConfigError(
                f"device is {self.device!r}, expected one of {', '.join(DEVICES)}",
                found=self.device,
                expected=DEVICES,
            )


def run_reference_robotics_deployment(
    config: ReferenceRoboticsDeploymentConfig,
) -> DeploymentArtifacts:
    """Train, calibrate, export, run, judge; the folder is there with all of it, or not at all.

    The thresholds are chosen on the calibration split, the verdict is about the test split: rows
    over the whole workspace that nothing before has seen. A model that can not be trusted is
    judged so, see `validation_summary`, and written all the same; one that can not be calibrated
    keeps the thresholds of its training, and fails.

    Raises:
        ConfigError: the folder exists, or a number outside its range.
        DeploymentError: a robot file that is not that of a planar_2r arm.
        TrainingError, ModelExportError, SmokeTestError: see there.
    """
    out = Path(config.out_dir).absolute()
    if out.exists():
        raise ConfigError(f"{out} exists; choose another folder", path=out)
    block = _block(Path(config.robot))
    trained = train_planar_2r(
        block,
        seed=config.seed,
        rows=config.n_samples,
        epochs=config.epochs,
        device=config.device,
        progress=config.progress,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _deploy(config, block, trained, staging)
        staging.chmod(0o755)
        staging.rename(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return load_reference_robotics_deployment_artifacts(out)


def _deploy(
    config: ReferenceRoboticsDeploymentConfig,
    block: Mapping[str, Any],
    trained: TrainedPlanar2R,
    out: Path,
) -> None:
    """From the trained model to everything in the folder `out`."""
    splits, training = trained.splits, trained.trainer.config
    untuned = InferenceConfig(training.tau_infer, training.tau_train)
    deployment = {**block, "model": _model_record(config, trained)}
    bound = default_det_bound(Deployment.from_block(block, Path(config.robot)).arm)
    with tempfile.TemporaryDirectory(prefix="uncalibrated-", dir=out) as scratch:
        trained.export(Path(scratch) / BUNDLE, untuned, deployment)
        uncalibrated = load_bundle(Path(scratch) / BUNDLE)
        refused, thresholds = None, untuned
        record: dict[str, Any]
        try:
            chosen = _calibrate(uncalibrated, splits.calibration, bound, config.seed, out)
            thresholds = chosen.config
            rates = _rates(uncalibrated, _workspace(splits.calibration), thresholds)
            record = {"calibration": asdict(chosen), "rates": rates}
        except CalibrationError as error:
            refused = str(error)
            record = {"refused": refused}
        write_with_thresholds(out / BUNDLE, uncalibrated, thresholds, validation=record)

    test = _workspace(splits.test)
    trained.smoke_test(out / BUNDLE, thresholds, test)
    named = {
        "train": _workspace(splits.train),
        "validation": _workspace(splits.validation),
        "calibration": _workspace(splits.calibration),
        "test": test,
    }
    report = validation_report(
        load_bundle(out / BUNDLE),
        named,
        judged="test",
        seed=config.seed,
        det_bound=bound,
        calibration_refused=refused,
    )
    write_report(report, out)


def _calibrate(bundle: Bundle, rows: Rows, bound: float, seed: int, out: Path) -> Calibration:
    """Choose the thresholds on rows of every stratum: what is wrongly accepted shall be found."""
    measured = held_out(bundle, rows.x)
    objective = Objective(det_bound=bound, residual_tolerance=RESIDUAL, min_coverage=0.0)
    chosen = calibrate(measured.q_abs, measured.determinant, measured.residual, objective)
    curves = calibration_curves(measured.q_abs, measured.determinant, chosen)
    write_tau_infer_sweep(out, curves, provenance={"split": "calibration", "seed": seed})
    draw_calibration(curves, chosen, out / "tau_infer_sweep.png")
    return chosen


def _rates(bundle: Bundle, rows: Any, thresholds: InferenceConfig) -> dict[str, float]:
    """What the thresholds do to rows (N, 4), so that a running system can be compared with it."""
    counted = SCMMonitor()
    split = replace(thresholds, provenance="experimental")  # as a bundle decodes
    result = replace(bundle, config=split).run(rows)
    counted.update(result.bottom_mask, result.gap_mask)
    return counted.report()


def _workspace(rows: Rows) -> Any:
    """(N, 4) the rows drawn evenly over the limits, of which alone rates say something."""
    return rows.x[rows.stratum == Stratum.UNIFORM]


def _block(robot: Path) -> Mapping[str, Any]:
    block = read_yaml(robot, DeploymentError)
    if not isinstance(block, dict):
        raise DeploymentError(f"{robot} holds no deployment block", path=robot)
    return block


def _model_record(
    config: ReferenceRoboticsDeploymentConfig, trained: TrainedPlanar2R
) -> dict[str, Any]:
    """How the model was made, for the metadata: what it takes to make it again."""
    return {
        "kind": "learned",
        "made_by": "python3 -m zeroproof_ros reference",
        "seed": config.seed,
        "samples": config.n_samples,
        "epochs": config.epochs,
        "epochs_done": trained.trainer.epoch,
        "validation_loss": min(trained.trainer.history["validation_loss"]),
    }
