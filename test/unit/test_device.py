"""Where a bundle runs: as asked, or where a measurement says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from zeroproof_ros.bundle import AUTO, Bundle, load_bundle, load_bundle_on
from zeroproof_ros.errors import (
    BundlePathError,
    DigestMismatchError,
    ModelLoadError,
    ProviderUnavailableError,
)
from zeroproof_ros.runtimes.onnx import CPU, CUDA

without_cuda = pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA"
)
# One ulp of float32 in each of about ten operations on numbers of the size of a link.
TOLERANCE = 2e-6


def test_a_device_that_is_asked_for_is_what_runs(exact_folder: Path) -> None:
    bundle = load_bundle_on("cpu", exact_folder, rows=1)
    assert bundle.runtime.providers == (CPU,)
    assert bundle.placement == "asked for"


@without_cuda
def test_cuda_that_is_not_there_is_refused_when_it_is_asked_for(exact_folder: Path) -> None:
    with pytest.raises(ProviderUnavailableError, match=f"provider {CUDA} was asked for"):
        load_bundle_on("cuda", exact_folder, rows=1)


@without_cuda
@pytest.mark.parametrize("rows", [1, 1024])
def test_auto_says_what_it_measured_and_what_it_could_not(exact_folder: Path, rows: int) -> None:
    bundle = load_bundle_on(AUTO, exact_folder, rows=rows)
    assert bundle.runtime.providers == (CPU,)
    measured = bundle.placement.partition(f"auto, measured with {rows} rows: cpu ")[2]
    assert float(measured.partition(" us")[0]) > 0
    assert f"cuda not usable (provider {CUDA} was asked for; available here: " in bundle.placement


def test_auto_hides_no_refusal_of_the_bundle(good: Path) -> None:
    with pytest.raises(DigestMismatchError, match="expected_digest is 'f"):
        load_bundle_on(AUTO, good, rows=1, expected_digest="f" * 64)
    (good / "metadata.json").unlink()
    with pytest.raises(BundlePathError, match="metadata.json"):
        load_bundle_on(AUTO, good, rows=1)


def test_auto_hides_no_model_that_the_cpu_can_not_load(good: Path) -> None:
    model = good / "model.onnx"
    model.write_bytes(model.read_bytes().replace(b"input_0", b"inputs0", 1))
    metadata = good / "metadata.json"
    lines = metadata.read_text("utf-8").splitlines(keepends=True)
    metadata.write_text("".join(line for line in lines if "model_sha" not in line), "utf-8")
    with pytest.raises(ModelLoadError, match="does not load in ONNX Runtime"):
        load_bundle_on(AUTO, good, rows=1)


@pytest.fixture(scope="module")
def on_cuda(exact_folder: Path) -> Bundle:
    if CUDA not in onnxruntime.get_available_providers():
        pytest.skip("CUDA: this ONNX Runtime has no CUDAExecutionProvider")
    return load_bundle(exact_folder, providers=(CUDA,))


@pytest.mark.parametrize("rows", [1, 2, 1000, 100_000])
def test_cuda_agrees_with_the_cpu(on_cuda: Bundle, exact_model: Bundle, rows: int) -> None:
    rng = np.random.default_rng(rows)
    table = rng.uniform([-3, -0.2, -0.01, -0.01], [3, 0.2, 0.01, 0.01], (rows, 4))
    cpu, cuda = exact_model.run(table), on_cuda.run(table)
    assert cpu.q_abs is not None
    assert cuda.q_abs is not None
    np.testing.assert_allclose(cuda.q_abs, cpu.q_abs, rtol=0, atol=TOLERANCE)
    both = ~cpu.bottom_mask & ~cuda.bottom_mask
    # an error of Q weighs most where Q is smallest
    scale = TOLERANCE / exact_model.config.tau_infer
    np.testing.assert_allclose(cuda.decoded[both], cpu.decoded[both], rtol=scale, atol=scale)
    far = np.ones(rows, dtype=bool)
    for tau in (exact_model.config.tau_infer, exact_model.config.tau_train):
        assert tau is not None
        far &= abs(cpu.q_abs - tau) > TOLERANCE
    np.testing.assert_array_equal(cuda.bottom_mask[far], cpu.bottom_mask[far])
    np.testing.assert_array_equal(cuda.gap_mask[far], cpu.gap_mask[far])


def test_exactly_singular_rows_are_bottom_on_cuda(on_cuda: Bundle) -> None:
    rows = np.array([[q1, 0.0, 0.01, 0.0] for q1 in (0.0, 1.0, -3.0)])
    assert on_cuda.run(rows).bottom_mask.all()
