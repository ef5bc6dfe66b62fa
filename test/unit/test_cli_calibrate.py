"""The verb `calibrate`, on real bundles: what it chooses, writes and refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import Bundle, GraphKind, load_bundle, write_with_thresholds
from zeroproof_ros.cli import main
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import (
    BundlePathError,
    CalibrationError,
    DeploymentError,
    DigestMismatchError,
    GraphMismatchError,
)
from zeroproof_ros.kinematics import Planar2R
from zeroproof_ros.pipeline import Policy, StrictIK, held_out

Capture = pytest.CaptureFixture[str]
Edit = Callable[..., Path]
FEATURES = ("theta1", "theta2", "dx", "dy")


def draw(count: int, seed: int = 0) -> Any:
    """Rows (count, 4) over all joint positions, with steps of a centimetre."""
    random = np.random.default_rng(seed)
    q = random.uniform(-np.pi, np.pi, (count, 2))
    return np.concatenate([q, random.normal(0, 0.01, (count, 2))], axis=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """8000 rows as a .npz file."""
    path = tmp_path / "rows.npz"
    np.savez(path, **dict(zip(FEATURES, draw(8000).T, strict=True)))
    return path


def calibrated(capsys: Capture, *words: object) -> tuple[int, str, str]:
    code = main(["calibrate", *map(str, words)])
    return (code, *capsys.readouterr())


def test_the_new_bundle_accepts_no_near_row_and_its_model_is_the_same(
    capsys: Capture, exact_folder: Path, data: Path, tmp_path: Path, arm: Planar2R
) -> None:
    before = {path.name: path.read_bytes() for path in exact_folder.iterdir()}
    new = tmp_path / "new"
    code, out, err = calibrated(
        capsys, "--bundle", exact_folder, "--data", data, "--det-bound", 0.04, "--write", new
    )
    assert (code, err) == (0, "")
    assert {path.name: path.read_bytes() for path in exact_folder.iterdir()} == before
    assert (new / "model.onnx").read_bytes() == before["model.onnx"]
    bundle = load_bundle(new)
    assert f"\n  bundle               {bundle.id}\n" in out
    rows = draw(20000, seed=1)
    accepted = ~bundle.run(rows).bottom_mask
    assert np.abs(arm.determinant(rows[:, :2]))[accepted].min() >= 0.04
    assert bundle.config.tau_infer == pytest.approx(0.042, rel=0.02)
    assert bundle.deployment is not None
    told = bundle.deployment.validation
    assert told["bundle"]["digest"] == load_bundle(exact_folder).digest
    assert told["data"] == {
        "file": "rows.npz",
        "sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
    }
    assert told["calibration"]["tau_infer"] == bundle.config.tau_infer
    assert told["calibration"]["tau_train"] == bundle.config.tau_train
    assert told["calibration"]["objective"]["det_bound"] == 0.04
    assert bundle.metadata["use_gap"] is False


def test_without_options_it_prints_the_choice_for_the_arm(
    capsys: Capture, exact_folder: Path, data: Path, arm: Planar2R
) -> None:
    there = {path.name for path in data.parent.iterdir()}
    code, out, err = calibrated(capsys, "--bundle", exact_folder, "--data", data)
    assert (code, err) == (0, "")
    assert "\n  det_bound            0.02\n" in out
    assert "\n  residual_tolerance   0.05\n" in out
    near = np.count_nonzero(np.abs(arm.determinant(draw(8000)[:, :2])) < 0.02)
    assert f"none of {near} near rows is accepted" in out
    assert "\nwritten                none\n" in out
    assert {path.name for path in data.parent.iterdir()} == there


def test_the_curves_are_written_with_the_choice(
    capsys: Capture, exact_folder: Path, data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, which draws the picture")
    out = tmp_path / "out"
    assert calibrated(capsys, "--bundle", exact_folder, "--data", data, "--out", out)[0] == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "tau_infer_sweep.json",
        "tau_infer_sweep.md",
        "tau_infer_sweep.png",
    ]
    told = json.loads((out / "tau_infer_sweep.json").read_text("utf-8"))
    chosen = told["provenance"]["calibration"]
    taus, curves = told["curves"]["taus"], told["curves"]
    assert curves["fp_cens"][taus.index(chosen["tau_infer"])] == 0.0
    assert curves["bottom_rate"][taus.index(chosen["tau_infer"])] == chosen["bottom_rate"]


def test_rows_that_can_not_calibrate_have_exit_code_1_and_write_nothing(
    capsys: Capture, exact_folder: Path, data: Path, tmp_path: Path
) -> None:
    np.savez(tmp_path / "few.npz", **dict(zip(FEATURES, draw(1000).T, strict=True)))
    for words, message in (
        (["--data", tmp_path / "few.npz"], "rows have |det J| < 0.02, expected at least 59"),
        (["--data", data, "--det-bound", 0.5], "error: coverage would be 0.5"),
    ):
        code, out, err = calibrated(
            capsys,
            *(
                "--bundle",
                exact_folder,
                *words,
                "--out",
                tmp_path / "out",
                "--write",
                tmp_path / "new",
            ),
        )
        assert (code, out) == (1, "")
        assert message in err
        assert not (tmp_path / "out").exists()
        assert not (tmp_path / "new").exists()


def test_a_graph_that_decodes_by_itself_can_not_be_calibrated(
    capsys: Capture, exact_bundle: Callable[..., Bundle], data: Path
) -> None:
    bundle = exact_bundle(kind=GraphKind.STRICT)
    code, _, err = calibrated(capsys, "--bundle", bundle.path, "--data", data)
    assert code == 1
    assert "has a strict graph, which decodes by thresholds of its own" in err


def test_refusals_have_exit_code_2(
    capsys: Capture, exact_folder: Path, edit: Edit, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "new").mkdir()
    for words, message in (
        (["--bundle", tmp_path, "--data", data], "metadata.json"),
        (["--bundle", exact_folder, "--data", tmp_path / "rows.csv"], "is not a readable file"),
        (["--bundle", exact_folder, "--data", data, "--margin", "-1"], "margin is -1.0"),
        (["--bundle", exact_folder, "--data", data, "--det-bound", "nan"], "det_bound is nan"),
        (["--bundle", exact_folder, "--data", data, "--write", tmp_path / "new"], "new exists"),
        (["--bundle", edit(deployment=...), "--data", data], "has no deployment block"),
    ):
        code, out, err = calibrated(capsys, *words)
        assert (code, out) == (2, "")
        assert err.startswith("error: ")
        assert message in err
        assert err.count("\n") == 1


def test_help_tells_formats_and_exit_codes(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["calibrate", "--help"])
    assert caught.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Exit codes: 0 thresholds were chosen; 1 these rows can not calibrate" in told
    assert ".npz with an array for each feature of the bundle by name, or .csv" in told


def test_held_out_is_what_the_model_says_below_its_thresholds_too(
    exact_model: Bundle, arm: Planar2R
) -> None:
    rows = draw(500)
    rows[:100, 1] *= 1e-3
    rows[0, 1] = 0.0
    data = held_out(exact_model, rows)
    np.testing.assert_array_equal(data.determinant, arm.determinant(rows[:, :2]))
    np.testing.assert_allclose(data.q_abs, np.abs(data.determinant), atol=1e-6)
    assert data.residual[0] == np.inf
    # float32 keeps 7 digits, which a small det J multiplies
    assert (data.residual[1:] < 1e-5 / np.abs(data.determinant[1:])).all()


def test_held_out_has_the_residual_of_the_model_where_the_solver_serves(
    graph_bundle: Callable[..., Bundle],
) -> None:
    bundle = graph_bundle(
        """
        theta, dx = Split <axis=1, num_outputs=2> (input_0)
        numerator = Sub(dx, dx)  q = Gather <axis=1> (theta, one)  denominator = Exp(q)
        """,
        constants="int64 one = {1}",
    )
    data = held_out(bundle, draw(300))
    # it answers no motion at all, so the tool is as far off as it should have moved
    np.testing.assert_allclose(data.residual, 1.0)


def test_held_out_positions_are_measured_in_metres(position_bundle: Bundle, arm: Planar2R) -> None:
    q = np.random.default_rng(0).uniform([-0.3, 0.3], [0.3, 1.0], (100, 2))
    rows = np.concatenate([q, arm.forward(q)], axis=1)
    data = held_out(position_bundle, rows)
    assert data.residual.max() < Policy().position_tolerance / 10


def test_the_gap_of_the_new_bundle_goes_to_the_solver(exact_model: Bundle, tmp_path: Path) -> None:
    write_with_thresholds(
        tmp_path / "new", exact_model, InferenceConfig(0.03, 0.3), validation={"a": [1.5]}
    )
    bundle = load_bundle(tmp_path / "new")
    assert bundle.metadata["use_gap"] is True
    assert bundle.deployment is not None
    assert bundle.deployment.validation == {"a": [1.5]}
    table = StrictIK(bundle).solve(draw(1000))
    np.testing.assert_array_equal(table["gap"], (table["q_abs"] >= 0.03) & (table["q_abs"] < 0.3))
    write_with_thresholds(tmp_path / "no_gap", bundle, InferenceConfig(0.03), validation={})
    assert load_bundle(tmp_path / "no_gap").metadata["use_gap"] is False


def test_weights_in_another_file_come_inside(
    good: Path, edit: Edit, save_weights_outside: Callable[[bytes, Path], None], tmp_path: Path
) -> None:
    content = (good / "model.onnx").read_bytes()
    save_weights_outside(content, good / "model.onnx")
    edit(model_bytes=..., model_sha256=...)
    old = load_bundle(good)
    write_with_thresholds(tmp_path / "new", old, InferenceConfig(0.02, 0.05), validation={})
    new = load_bundle(tmp_path / "new")
    assert [file.name for file in new.files] == ["metadata.json", "model.onnx"]
    np.testing.assert_array_equal(new.run(draw(10)).decoded, old.run(draw(10)).decoded)


def test_only_the_folder_that_was_loaded_is_written_again(
    good: Path, edit: Edit, exact_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    new, config = tmp_path / "new", InferenceConfig(0.02)
    bundle = load_bundle(good)
    with pytest.raises(BundlePathError, match="good exists"):
        write_with_thresholds(good, bundle, config, validation={})
    edit(tau_infer=0.01)
    with pytest.raises(DigestMismatchError, match="somebody changed it meanwhile"):
        write_with_thresholds(new, bundle, config, validation={})
    with pytest.raises(DeploymentError, match="has no deployment block"):
        write_with_thresholds(new, load_bundle(edit(deployment=...)), config, validation={})
    strict = exact_bundle(kind=GraphKind.STRICT)
    with pytest.raises(GraphMismatchError, match="strict graph with thresholds of its own"):
        write_with_thresholds(new, strict, config, validation={})
    with pytest.raises(CalibrationError, match="has a strict graph"):
        held_out(strict, draw(3))
    assert not new.exists()
