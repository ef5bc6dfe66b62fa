"""A planar two-link arm, from its deployment block to a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroproof_ros.bundle import GraphKind
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.kinematics import Arm
from zeroproof_ros.kinematics.limits import FloatArray
from zeroproof_ros.pipeline.verify import SHORTEST_STEP
from zeroproof_ros.training.export import export_bundle
from zeroproof_ros.training.planar_2r_model import Planar2RModel
from zeroproof_ros.training.planar_2r_rows import (
    Rows,
    Splits,
    planar_2r_deployment,
    planar_2r_splits,
)
from zeroproof_ros.training.smoke import SmokeTest, run_bundle_reference_smoke_test
from zeroproof_ros.training.trainer import Pairs, SCMTrainer, TrainingConfig
from zeroproof_ros.training.wrapper import SCMInferenceWrapper

# Thresholds of the training as shares of the largest |det J|. Those of the deployment are chosen
# afterwards, on the calibration split.
TAU_INFER, TAU_TRAIN = 0.0275, 0.0625
# Lower, and the rows near a singularity outweigh all others.
Q_FLOOR = 0.2


@dataclass(frozen=True)
class TrainedPlanar2R:
    """A trained model, the trainer with its history, and the rows; only two splits were used."""

    model: Planar2RModel
    trainer: SCMTrainer
    splits: Splits

    def export(self, folder: Path, config: InferenceConfig, deployment: Mapping[str, Any]) -> None:
        """Write the model as a projective bundle; see `export_bundle`."""
        export_bundle(
            SCMInferenceWrapper(self.model, config).eval(),
            folder,
            example_inputs=(torch.zeros(1, 4),),
            kind=GraphKind.PROJECTIVE,
            deployment=deployment,
        )

    def smoke_test(self, folder: Path, config: InferenceConfig, rows: FloatArray) -> SmokeTest:
        """Compare a bundle with the model on rows (N, 4); see `run_bundle_reference_smoke_test`."""
        wrapped = SCMInferenceWrapper(self.model, config).eval()
        table = torch.from_numpy(rows.astype(np.float32))
        return run_bundle_reference_smoke_test(folder, wrapped, (table,))


def train_planar_2r(
    deployment: Mapping[str, Any],
    *,
    seed: int = 0,
    rows: int = 100_000,
    epochs: int = 100,
    device: str = "cpu",
    progress: bool = False,
) -> TrainedPlanar2R:
    """Train a model of a planar_2r arm.

    Args:
        deployment: its `deployment` block, with the features q1, q2, dx, dy in this order and
            joint_delta outputs.
        seed: of the rows, the first weights and the order of the rows.
        rows: how many the model learns from.
        epochs: how often it sees them.
        device: where it is trained, in torch's words, or "auto" for CUDA where torch has it. The
            model comes back on the CPU.
        progress: whether a bar is shown.

    Raises:
        DeploymentError: a block for another robot or other columns.
        ConfigError: a seed, rows or epochs outside their range.
        TrainingError: see `SCMTrainer.fit`.
        ProviderUnavailableError: a device that torch does not have here.
    """
    arm = planar_2r_deployment(deployment, Path("deployment"), "the learned model").arm
    splits = planar_2r_splits(arm, seed=seed, rows=rows)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    unit = arm.max_determinant
    config = TrainingConfig(
        TAU_INFER * unit, TAU_TRAIN * unit, Q_FLOOR * unit, epochs=epochs, seed=seed
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Planar2RModel(unit)
    train, validation = (_unit_steps(each, arm) for each in (splits.train, splits.validation))
    trainer = SCMTrainer(model, train, validation, config, device=device, progress=progress)
    threads = torch.get_num_threads()
    # so small a network is several times slower on more
    torch.set_num_threads(1)
    try:
        trainer.fit()
    finally:
        torch.set_num_threads(threads)
    return TrainedPlanar2R(model.to("cpu"), trainer, splits)


def _unit_steps(rows: Rows, arm: Arm) -> Pairs:
    """The rows with all steps of one length, the size of the arm.

    P is linear in dx, so nothing is lost, every row counts alike and arms of any size look alike.
    """
    length = np.linalg.norm(rows.x[:, 2:], axis=1, keepdims=True)
    factor = np.sqrt(arm.max_determinant) / np.maximum(length, SHORTEST_STEP)
    x = np.hstack([rows.x[:, :2], rows.x[:, 2:] * factor])
    arrays = (x, rows.P * factor, rows.Q)
    return Pairs(*(torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32)) for a in arrays))
