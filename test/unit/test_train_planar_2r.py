"""A learned planar arm: what its network is, and that it learns, exports and serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import GraphKind, load_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import ConfigError, DeploymentError
from zeroproof_ros.kinematics import Planar2R

torch = pytest.importorskip("torch", reason="torch, with which models are trained")

from zeroproof_ros.training.planar_2r_model import Planar2RModel
from zeroproof_ros.training.planar_2r_rows import Stratum
from zeroproof_ros.training.train_planar_2r import TrainedPlanar2R, train_planar_2r


def answers(model: Planar2RModel, x: Any) -> tuple[Any, Any]:
    with torch.no_grad():
        P, Q = model(torch.as_tensor(np.asarray(x), dtype=torch.float32))
    return P.double().numpy(), Q.double().numpy()


@pytest.fixture(scope="module")
def trained(robot_file: Path) -> TrainedPlanar2R:
    import yaml

    block = yaml.safe_load(robot_file.read_text("utf-8"))
    return train_planar_2r(block, seed=0, rows=10_000, epochs=15)


def test_the_model_is_periodic_in_the_joints_and_linear_in_the_step() -> None:
    torch.manual_seed(0)
    model = Planar2RModel(0.8)
    x = np.random.default_rng(0).uniform(-1, 1, (20, 4))
    P, Q = answers(model, x)
    around = x + np.array([2 * np.pi, -2 * np.pi, 0, 0])
    for found, expected in zip(answers(model, around), (P, Q), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    longer, same = answers(model, x * [1, 1, -3, -3])
    np.testing.assert_allclose(longer, -3 * P, atol=1e-5)
    np.testing.assert_array_equal(same, Q)
    assert not answers(model, x * [1, 1, 0, 0])[0].any()


def test_q_is_det_j_with_both_signs_and_vanishes_at_the_singular_poses(
    trained: TrainedPlanar2R, arm: Planar2R
) -> None:
    rows = trained.splits.test
    _, Q = answers(trained.model, rows.x)
    np.testing.assert_allclose(Q, rows.Q, atol=0.03)
    assert Q.min() < -0.7
    assert Q.max() > 0.7
    singular = rows.stratum == Stratum.SINGULAR
    assert np.abs(Q[singular]).max() < 0.02
    # it changes its sign on the way through, stretched and folded
    for pose in (0.0, np.pi):
        q = np.array([[0.3, pose - 0.1, 0, 0], [0.3, pose + 0.1, 0, 0]])
        assert np.prod(answers(trained.model, q)[1]) < 0


def test_the_value_moves_the_tool_where_it_shall(trained: TrainedPlanar2R, arm: Planar2R) -> None:
    rows = trained.splits.test
    P, Q = answers(trained.model, rows.x)
    ok = np.abs(Q) >= 0.05
    dq, dx = P[ok] / Q[ok, None], rows.x[ok, 2:]
    moved = np.einsum("nij,nj->ni", arm.jacobian(rows.x[ok, :2]), dq)
    residual = np.linalg.norm(moved - dx, axis=1) / np.linalg.norm(dx, axis=1)
    # far shorter trained than by default
    assert np.median(residual) < 0.03


def test_a_seed_gives_the_same_model(block: dict[str, Any]) -> None:
    models = [
        train_planar_2r(block, seed=seed, rows=600, epochs=1).model.state_dict()
        for seed in (1, 1, 2)
    ]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert not torch.equal(models[0]["head.weight"], models[2]["head.weight"])


def test_the_first_weights_come_from_the_seed(block: dict[str, Any]) -> None:
    # the only step of this training is its last, at a learning rate of 0
    first, other = (train_planar_2r(block, seed=seed, rows=1, epochs=1) for seed in (1, 2))
    assert not torch.equal(first.model.head.weight, other.model.head.weight)


def test_arms_of_other_sizes_learn_alike(block: dict[str, Any]) -> None:
    """The same arm, in other units of length, gives the same training."""
    small = {**block, "robot": {**block["robot"], "link_lengths": [0.25, 0.2]}}
    large, small_one = (
        train_planar_2r(each, seed=0, rows=2000, epochs=2) for each in (block, small)
    )
    for name, values in large.trainer.history.items():
        assert small_one.trainer.history[name] == pytest.approx(values, rel=0.02, abs=1e-5)
    assert large.trainer.config.tau_train == pytest.approx(16 * small_one.trainer.config.tau_train)


def test_the_trained_model_becomes_a_bundle(
    trained: TrainedPlanar2R, block: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript, with which torch exports")
    from zeroproof_ros.training.export import export_bundle
    from zeroproof_ros.training.smoke import run_bundle_reference_smoke_test
    from zeroproof_ros.training.wrapper import SCMInferenceWrapper

    wrapped = SCMInferenceWrapper(trained.model, InferenceConfig(0.022, 0.05)).eval()
    rows = torch.as_tensor(trained.splits.test.x[:500], dtype=torch.float32)
    folder = tmp_path / "bundle"
    export_bundle(
        wrapped,
        folder,
        example_inputs=(rows[:1],),
        kind=GraphKind.PROJECTIVE,
        deployment=block,
    )
    run_bundle_reference_smoke_test(folder, wrapped, (rows,))
    assert load_bundle(folder).deployment is not None


def test_another_robot_or_other_columns_are_refused(block: dict[str, Any]) -> None:
    block["features"] = ["dx", "dy", "theta1", "theta2"]
    with pytest.raises(DeploymentError, match="the learned model takes q1, q2, dx, dy in this"):
        train_planar_2r(block)


def test_no_rows_and_no_epochs_are_refused(block: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="rows is 0, expected"):
        train_planar_2r(block, rows=0)
    with pytest.raises(ConfigError, match="epochs is 0, expected"):
        train_planar_2r(block, rows=10, epochs=0)
