"""Models in ONNX Runtime: what runs is what was asked for, or it fails."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from zeroproof_ros.errors import (
    ArrayError,
    ModelLoadError,
    ModelRunError,
    ProviderUnavailableError,
)
from zeroproof_ros.runtimes import TensorSpec
from zeroproof_ros.runtimes.onnx import CPU, CUDA, MAX_MEMORY, OnnxRuntime

IDENTITY = "copy = Identity(input_0)"

without_cuda = pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA"
)


@pytest.fixture
def model_file(exact_folder: Path) -> Path:
    return exact_folder / "model.onnx"


@pytest.fixture
def save(graph: Callable[..., bytes], tmp_path: Path) -> Callable[..., Path]:
    """Writes a graph given as text and answers its path."""

    def write(nodes: str, **kwargs: Any) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(graph(nodes, **kwargs))
        return path

    return write


def test_a_model_says_what_it_takes_and_answers(model_file: Path) -> None:
    runtime = OnnxRuntime(model_file)
    assert runtime.inputs == (TensorSpec("input_0", "float32", ("batch", 4)),)
    assert runtime.outputs == (
        TensorSpec("numerator", "float32", ("batch", 2)),
        TensorSpec("denominator", "float32", ("batch",)),
    )


def test_the_providers_in_use_are_those_asked_for(model_file: Path) -> None:
    assert OnnxRuntime(model_file, (CPU,)).providers == (CPU,)


@without_cuda
@pytest.mark.parametrize("providers", [(CUDA,), (CUDA, CPU), (CPU, CUDA)])
def test_a_provider_that_is_not_there_is_refused_with_what_is(
    model_file: Path, providers: tuple[str, ...]
) -> None:
    message = f"provider {CUDA} was asked for; available here: .*{CPU}"
    with pytest.raises(ProviderUnavailableError, match=message) as caught:
        OnnxRuntime(model_file, providers)
    assert caught.value.found == providers
    assert CPU in caught.value.expected  # type: ignore[operator]


@pytest.mark.parametrize("providers", [(), ("cuda",), ("MadeUpExecutionProvider",)])
def test_no_provider_and_unknown_names_are_refused(
    model_file: Path, providers: tuple[str, ...]
) -> None:
    with pytest.raises(ProviderUnavailableError, match="was asked for; available here"):
        OnnxRuntime(model_file, providers)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.int8, np.uint8])
def test_rows_of_any_real_dtype_are_taken(model_file: Path, dtype: Any) -> None:
    runtime = OnnxRuntime(model_file)
    rows = np.array([[0, 1, 2, 3], [3, 2, 1, 0]], dtype=dtype)
    for found, expected in zip(
        runtime.run(rows), runtime.run(rows.astype(np.float32)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_rows_need_not_be_contiguous(model_file: Path) -> None:
    runtime, rows = OnnxRuntime(model_file), np.arange(32.0).reshape(4, 8)
    for found, expected in zip(
        runtime.run(rows[:, ::2]), runtime.run(rows[:, ::2].copy()), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_no_rows_give_empty_answers(model_file: Path) -> None:
    numerator, denominator = OnnxRuntime(model_file).run(np.empty((0, 4)))
    assert numerator.shape == (0, 2)
    assert denominator.shape == (0,)


@pytest.mark.parametrize(
    "rows",
    [
        np.zeros(4),
        np.zeros((1, 3)),
        np.zeros((4, 1)),
        np.zeros((1, 1, 4)),
        np.zeros((1, 4), dtype=bool),
        np.zeros((1, 4), dtype=complex),
        np.array([["0"] * 4]),
        np.array([[None] * 4]),
    ],
    ids=lambda rows: f"{rows.dtype}{rows.shape}",
)
def test_rows_that_do_not_fit_are_refused(model_file: Path, rows: Any) -> None:
    with pytest.raises(ArrayError, match=r"expected \(N, 4\) real numbers; give one row as rows\["):
        OnnxRuntime(model_file).run(rows)


@pytest.mark.parametrize("content", [b"", b"no model", bytes(range(256)) * 4])
def test_a_file_that_is_no_model_does_not_load(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"model.onnx does not load in ONNX Runtime") as caught:
        OnnxRuntime(path)
    assert caught.value.path == path


def test_a_file_that_is_cut_off_or_missing_does_not_load(model_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(ModelLoadError, match="does not load"):
        OnnxRuntime(path)
    path.write_bytes(model_file.read_bytes()[:-100])
    with pytest.raises(ModelLoadError, match="does not load"):
        OnnxRuntime(path)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("float[batch, 4] a, float[batch, 4] b", "expected one float32 or float64 table"),
        ("int64[batch, 4] a", "expected one float32 or float64 table"),
        ("float16[batch, 4] a", "expected one float32 or float64 table"),
        ("bool[batch, 4] a", "expected one float32 or float64 table"),
        ("float[batch] a", "expected one float32 or float64 table"),
        ("float[batch, 4, 1] a", "expected one float32 or float64 table"),
        ("float[1, 4] a", "expected a free batch axis and a fixed number of features"),
        ("float[batch, width] a", "expected a free batch axis and a fixed number of features"),
    ],
)
def test_a_graph_that_does_not_take_one_table_is_refused(
    save: Callable[..., Path], inputs: str, message: str
) -> None:
    path = save(
        "copy = Identity(a)", inputs=inputs, outputs=inputs.split(" a", maxsplit=1)[0] + " copy"
    )
    with pytest.raises(ModelLoadError, match=message) as caught:
        OnnxRuntime(path)
    assert caught.value.path == path


def test_a_graph_of_doubles_computes_in_double(save: Callable[..., Path]) -> None:
    path = save(IDENTITY, inputs="double[batch, 4] input_0", outputs="double[batch, 4] copy")
    rows = np.array([[0.1, 1e-300, np.pi, 1e300]])
    np.testing.assert_array_equal(OnnxRuntime(path).run(rows)[0], rows)


def test_a_layer_of_doubles_runs_in_the_oldest_runtime_too(save: Callable[..., Path]) -> None:
    path = save(
        "sums = Gemm(input_0, weights)  copy = Relu(sums)",
        inputs="double[batch, 2] input_0",
        outputs="double[batch, 2] copy",
        constants="double[2, 2] weights = {1.0, 0.0, 0.0, -1.0}",
    )
    rows = np.array([[0.1, 1e-300], [1e300, -2.0]])
    np.testing.assert_array_equal(OnnxRuntime(path).run(rows)[0], [[0.1, 0.0], [1e300, 2.0]])


def test_a_model_that_raises_is_reported_and_runs_again(save: Callable[..., Path]) -> None:
    path = save(
        "index = Cast <to=7> (input_0)  copy = Gather(table, index)",
        constants="float[2] table = {1.0, 2.0}",
        outputs="float[batch, 4] copy",
    )
    runtime = OnnxRuntime(path)
    with pytest.raises(ModelRunError, match="the model failed on 1 rows: .*out of"):
        runtime.run(np.full((1, 4), 99.0))
    np.testing.assert_array_equal(runtime.run(np.ones((1, 4)))[0], np.full((1, 4), 2.0))


# Models that are not trusted yet

SUM_OF_ONES = """
    big = ConstantOfShape <value = float[1] {1.0}> (size)  sum = ReduceSum <keepdims=0> (big)
    copy = Add(input_0, sum)
"""


def test_a_model_that_is_tried_answers_as_it_runs(model_file: Path) -> None:
    runtime, rows = OnnxRuntime(model_file), np.ones((3, 4))
    for found, expected in zip(runtime.try_run(rows, 10.0), runtime.run(rows), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_trial_refuses_what_a_run_refuses(save: Callable[..., Path], model_file: Path) -> None:
    with pytest.raises(ArrayError, match=r"expected \(N, 4\) real numbers"):
        OnnxRuntime(model_file).try_run(np.ones((3, 5)), 10.0)
    path = save(
        "index = Cast <to=7> (input_0)  copy = Gather(table, index)",
        constants="float[2] table = {1.0, 2.0}",
        outputs="float[batch, 4] copy",
    )
    with pytest.raises(ModelRunError, match="the model failed on 1 rows: .*out of"):
        OnnxRuntime(path).try_run(np.full((1, 4), 99.0), 10.0)


def test_a_model_that_takes_too_long_is_told_to_stop(save: Callable[..., Path]) -> None:
    products = "  ".join(f"c{i + 1} = MatMul(c{i}, c{i})" for i in range(900))
    path = save(
        f"c0 = ConstantOfShape <value = float[1] {{1.0}}> (size)  {products}"
        "  sum = ReduceSum <keepdims=0> (c900)  copy = Add(input_0, sum)",
        constants="int64[2] size = {400, 400}",
        outputs="float[batch, 4] copy",
    )
    runtime = OnnxRuntime(path)
    with pytest.raises(ModelRunError, match=r"did not answer 2 rows within 0.1 s") as caught:
        runtime.try_run(np.ones((2, 4)), 0.1)
    assert caught.value.expected == 0.1
    assert "try_run" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("elements", [MAX_MEMORY // 4 + 1, 1 << 40, 1 << 61])
def test_a_model_that_needs_too_much_memory_fails_and_the_next_one_runs(
    save: Callable[..., Path], model_file: Path, elements: int
) -> None:
    path = save(
        SUM_OF_ONES, constants=f"int64[1] size = {{{elements}}}", outputs="float[batch, 4] copy"
    )
    with pytest.raises(ModelRunError, match="the model failed on 1 rows"):
        OnnxRuntime(path).run(np.ones((1, 4)))
    assert OnnxRuntime(model_file).run(np.ones((1, 4)))[1].shape == (1,)


@pytest.mark.parametrize(
    ("nodes", "outputs"),
    [
        ("answer = SequenceConstruct(input_0)", "seq(float[batch, 4]) answer"),
        ("answer = Cast <to=8> (input_0)", "string[batch, 4] answer"),
        ("answer = Cast <to=16> (input_0)", "bfloat16[batch, 4] answer"),
    ],
)
def test_an_answer_that_is_no_tensor_of_numbers_is_refused(
    save: Callable[..., Path], nodes: str, outputs: str
) -> None:
    path = save(nodes, outputs=outputs)
    with pytest.raises(ModelLoadError, match="expected tensors of float32, float64|does not load"):
        OnnxRuntime(path)


@pytest.mark.skipif(
    '"enable_fallback"' not in inspect.getsource(onnxruntime.InferenceSession.__init__),
    reason="this ONNX Runtime tries again whatever it is told",
)
def test_what_fails_is_not_tried_again_nor_printed(
    model_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # A name that is no text makes the Python layer of ONNX Runtime raise.
    content = model_file.read_bytes().replace(b"Squeeze", b"Squee\xff\xfe")
    with pytest.raises(ModelLoadError, match="does not load"):
        OnnxRuntime(model_file, content=content)
    assert capfd.readouterr() == ("", "")
