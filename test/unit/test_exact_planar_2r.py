"""The exact model: reproducible bytes, the arm's kinematics, one contract in both kinds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeroproof_ros.bundle import Bundle, GraphKind, load_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import DeploymentError
from zeroproof_ros.kinematics import Planar2R

pytest.importorskip("onnx", reason="onnx, which writes the exact model")

from zeroproof_ros.training.exact_planar_2r import write_exact_bundle
from zeroproof_ros.training.strict_graph import KINDS

Exact = Callable[..., Bundle]
CONFIG = InferenceConfig(0.02, 0.05)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_exact_bundle_is_reproduced_byte_by_byte(
    exact_folder: Path, block: dict[str, Any], tmp_path: Path
) -> None:
    write_exact_bundle(tmp_path / "new", block, CONFIG)
    assert files(tmp_path / "new") == files(exact_folder)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_call_gives_the_same_bytes(
    block: dict[str, Any], tmp_path: Path, kind: GraphKind
) -> None:
    for name in ("a", "b"):
        write_exact_bundle(tmp_path / name, block, CONFIG, kind=kind)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert load_bundle(tmp_path / "a").digest == load_bundle(tmp_path / "b").digest


def test_the_model_is_the_arm(exact_model: Bundle, arm: Planar2R) -> None:
    rng = np.random.default_rng(7)
    rows = np.hstack([rng.uniform(-np.pi, np.pi, (500, 2)), rng.normal(0, 0.1, (500, 2))])
    numerator, denominator = exact_model.runtime.run(rows)
    q, dx = rows[:, :2], rows[:, 2:]
    np.testing.assert_allclose(denominator, arm.determinant(q), atol=1e-6)
    moved = (arm.jacobian(q) @ numerator[:, :, None].astype(float))[:, :, 0]
    np.testing.assert_allclose(moved, arm.determinant(q)[:, None] * dx, atol=1e-6)


@pytest.mark.parametrize("q1", [0.0, 1.0, -3.0])
def test_a_stretched_arm_has_no_denominator_at_all(exact_model: Bundle, q1: float) -> None:
    _, denominator = exact_model.runtime.run(np.array([[q1, 0.0, 0.1, 0.1]]))
    assert denominator == 0.0


@pytest.fixture(scope="module")
def both(exact_bundle: Exact) -> dict[GraphKind, Bundle]:
    return {kind: exact_bundle(kind=kind) for kind in KINDS}


FLOATS = st.floats(-4, 4, width=32) | st.sampled_from([0.0, -0.0, np.pi, -np.pi, 0.025, 0.0625])
HUGE = st.sampled_from([3e38, -3e38, 1e30, 1e-40, -1e-45])


@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=FLOATS | HUGE))
def test_both_kinds_mask_alike(both: dict[GraphKind, Bundle], rows: Any) -> None:
    with np.errstate(over="ignore"):
        projective = both[GraphKind.PROJECTIVE].run(rows)
        strict = both[GraphKind.STRICT].run(rows)
    assert strict.q_abs is None
    assert projective.q_abs is not None
    np.testing.assert_array_equal(strict.bottom_mask, projective.bottom_mask)
    np.testing.assert_array_equal(strict.gap_mask, projective.gap_mask)
    np.testing.assert_array_equal(strict.decoded, projective.decoded)
    # three outputs do not say why a row is bottom
    np.testing.assert_array_equal(strict.semantic_bottom_mask, projective.bottom_mask)
    assert not strict.fault_mask.any()


# A pose whose |Q| in the graph is the threshold, in a dtype that holds it and around it.
POSES = np.array([[0.3, q2, 0.01, 0.02] for q2 in (0.02, -0.02, 0.1, 3.1, -1.0)])


@pytest.mark.parametrize("pose", range(len(POSES)))
@pytest.mark.parametrize(
    ("towards", "bottom"), [(0.0, False), (None, False), (1.0, True)], ids=["below", "at", "above"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_threshold_one_ulp_of_float64_around_q_is_kept_by_both_kinds(
    exact_bundle: Exact,
    exact_model: Bundle,
    kind: GraphKind,
    pose: int,
    towards: float | None,
    bottom: bool,
) -> None:
    rows = POSES[pose : pose + 1]
    _, Q = exact_model.runtime.run(rows)
    tau = abs(float(Q.item()))
    if towards is not None:
        tau = float(np.nextafter(tau, towards))
    result = exact_bundle(tau, None, kind).run(rows)
    assert result.bottom_mask.item() == bottom
    assert not result.gap_mask.item()
    result = exact_bundle(1e-3, tau, kind).run(rows)
    assert not result.bottom_mask.item()
    assert result.gap_mask.item() == bottom


@pytest.mark.parametrize("tau", [0.02, 0.05, 0.1, 0.3, 1 / 3])
def test_a_threshold_between_two_float32_separates_them_in_both_kinds(
    exact_bundle: Exact, tau: float
) -> None:
    # Joint angles around asin(tau) hit every float32 |Q| next to the threshold.
    q2 = np.arcsin(tau / 0.8) + np.arange(-40, 41) * 1e-8
    rows = np.column_stack([np.full_like(q2, 0.1), q2, np.full_like(q2, 0.01), np.zeros_like(q2)])
    bundles = [exact_bundle(tau, 2 * tau, kind) for kind in KINDS]
    _, Q = bundles[KINDS.index(GraphKind.PROJECTIVE)].runtime.run(rows)
    expected = np.abs(Q.astype(float)) < tau
    assert 0 < expected.sum() < len(rows)
    for bundle in bundles:
        np.testing.assert_array_equal(bundle.run(rows).bottom_mask, expected)


@pytest.mark.parametrize("tau_train", [None, 0.02])
@pytest.mark.parametrize("kind", KINDS)
def test_without_room_between_the_thresholds_nothing_is_gap(
    exact_bundle: Exact, kind: GraphKind, tau_train: float | None
) -> None:
    rows = np.column_stack([np.zeros(100), np.linspace(-0.1, 0.1, 100), *np.full((2, 100), 0.01)])
    bundle = exact_bundle(0.02, tau_train, kind)
    assert bundle.metadata["use_gap"] is False
    assert not bundle.run(rows).gap_mask.any()


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ["dx", "dy", "theta1", "theta2"]},
        {"features": ["theta2", "theta1", "dx", "dy"]},
        {"task_features": ["dy", "dx"]},
        {"features": ["theta1", "theta2", "dx", "dy", "load"]},
        {"output_kind": "joint_position"},
    ],
)
def test_columns_the_graph_does_not_have_are_refused(
    block: dict[str, Any], tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(DeploymentError, match="the exact model takes q1, q2, dx, dy in this order"):
        write_exact_bundle(tmp_path / "new", block | changes, CONFIG)
    assert not list(tmp_path.iterdir())


def test_the_block_of_another_robot_is_written_as_it_is(robot_file: Path, tmp_path: Path) -> None:
    block = yaml.safe_load(robot_file.read_text("utf-8"))
    block["robot"] |= {"link_lengths": [0.3, 0.25], "joint_names": ["a", "b"]}
    write_exact_bundle(tmp_path / "new", block, InferenceConfig(1e-3))
    deployment = load_bundle(tmp_path / "new").deployment
    assert deployment is not None
    assert deployment.link_lengths == (0.3, 0.25)
    assert deployment.joint_names == ("a", "b")
    assert deployment.model["kind"] == "exact"
