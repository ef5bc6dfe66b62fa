"""TorchScript models: the documented snippets, and a runtime that is loaded only by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.errors import (
    ArrayError,
    ModelLoadError,
    ModelRunError,
    ProviderUnavailableError,
)
from zeroproof_ros.runtimes import Runtime, TensorSpec

torch = pytest.importorskip("torch", reason="torch, which runs TorchScript")

from torch import nn
from torch_models import learned, rows

from zeroproof_ros.runtimes.torchscript import TorchScriptRuntime

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this torch has CUDA")


@pytest.fixture(autouse=True)
def _torch_calls_it_deprecated() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        yield


class Scripted(nn.Module):
    """Answers what `kind` names, by a linear layer of four features."""

    def __init__(self, dtype: Any = torch.float32) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3, dtype=dtype)


class Pair(Scripted):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.layer(x)
        return h[:, :2], h[:, 2:]


class Lone(Scripted):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


class Three(Scripted):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h = self.layer(x)
        return h, h, h


class Outer(Scripted):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.layer(x)
        return h[:, 0], h[:, 1:2]


class Total(Scripted):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.layer(x)
        return h.sum(dim=0), h.sum(dim=0)


class Counts(Scripted):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.layer(x)
        return h.to(torch.int64), h


class Fragile(Scripted):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.layer(x)
        if bool((x > 9).any()):
            raise ValueError("too far away")
        return h, h


class Greedy(Scripted):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = self.layer(x)
        x.zero_()
        return h, h


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.noise = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.noise(x), x


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 3)
        self.b = nn.Linear(4, 3, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.a(x), self.b(x.double())


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Any], Path]:
    """Scripts and saves a model and answers its path."""

    def write(model: Any) -> Path:
        path = tmp_path / "model.pt"
        torch.jit.save(torch.jit.script(model), path)
        return path

    return write


def test_the_snippets_of_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model, x = learned(), rows()

    # Ensure model is in eval mode
    model.eval()

    # Script the model
    scripted_model = torch.jit.script(model)

    # Save
    torch.jit.save(scripted_model, "model.pt")

    # Load and use
    loaded_model = torch.jit.load("model.pt")
    with torch.no_grad():
        output = loaded_model(x)

    runtime = TorchScriptRuntime(Path("model.pt"), features=4)
    found = runtime.run(x.numpy())
    for one, other in zip(found, output, strict=True):
        np.testing.assert_array_equal(one, other.numpy())
    _, bottom, _ = strict_inference(*found, InferenceConfig(0.05))
    assert 0 < bottom.sum() < len(x)


def test_it_says_what_it_takes_and_answers(save: Any) -> None:
    runtime: Runtime = TorchScriptRuntime(save(Pair()), features=4)
    assert runtime.inputs == (TensorSpec("input_0", "float32", ("batch", 4)),)
    assert runtime.outputs == (
        TensorSpec("numerator", "float32", ("batch", 2)),
        TensorSpec("denominator", "float32", ("batch", 1)),
    )
    assert runtime.providers == ("cpu",)


def test_a_model_of_doubles_computes_in_double(save: Any) -> None:
    model = Pair(torch.float64)
    runtime = TorchScriptRuntime(save(model), features=4)
    assert [spec.dtype for spec in (*runtime.inputs, *runtime.outputs)] == ["float64"] * 3
    table = rows(5).double()
    with torch.no_grad():
        np.testing.assert_array_equal(runtime.run(table.numpy())[0], model(table)[0].numpy())


@pytest.mark.parametrize("how", ["trace", "freeze"])
def test_other_ways_to_make_a_module_load_too(tmp_path: Path, how: str) -> None:
    model, path = learned(), tmp_path / "model.pt"
    module = torch.jit.trace(model, rows(3)) if how == "trace" else torch.jit.script(model)
    torch.jit.save(torch.jit.freeze(module) if how == "freeze" else module, path)
    runtime = TorchScriptRuntime(path, features=4)
    for count in (0, 1, 200):
        table = rows(count)
        with torch.no_grad():
            for one, other in zip(runtime.run(table.numpy()), model(table), strict=True):
                np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-6)


def test_a_module_saved_in_training_mode_does_not_answer_by_chance(save: Any) -> None:
    runtime = TorchScriptRuntime(save(Noisy().train()), features=4)
    table = rows(50).numpy()
    np.testing.assert_array_equal(runtime.run(table)[0], table)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.uint8])
def test_rows_of_any_real_dtype_are_taken_and_left_alone(save: Any, dtype: Any) -> None:
    runtime = TorchScriptRuntime(save(Greedy()), features=4)
    table = np.arange(8).reshape(2, 4).astype(dtype)
    table.setflags(write=False)
    runtime.run(table)
    np.testing.assert_array_equal(table, np.arange(8).reshape(2, 4))


@pytest.mark.parametrize("table", [np.zeros(4), np.zeros((1, 3)), np.zeros((1, 4), dtype=bool)])
def test_rows_that_do_not_fit_are_refused(save: Any, table: Any) -> None:
    runtime = TorchScriptRuntime(save(Pair()), features=4)
    with pytest.raises(ArrayError, match=r"expected \(N, 4\) real numbers; give one row as"):
        runtime.run(table)


def test_a_model_that_raises_is_reported_and_runs_again(save: Any) -> None:
    runtime = TorchScriptRuntime(save(Fragile()), features=4)
    with pytest.raises(ModelRunError, match=r"(?s)the model failed on 2 rows: .*too far away"):
        runtime.run(np.full((2, 4), 10.0))
    runtime.run(np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Lone, "does not answer rows of 4 features: the model answered Tensor, expected a pair"),
        (Three, "does not answer rows of 4 features: the model answered tuple of Tensor, Tensor"),
        (Outer, r"answers 2 rows with P float32\(2,\) and Q float32\(2, 1\), expected"),
        (Total, r"answers 2 rows with P float32\(3,\) and Q float32\(3,\), expected"),
        (Counts, r"answers 2 rows with P int64\(2, 3\) and Q float32\(2, 3\), expected"),
        (Mixed, "has weights of float32, float64, expected float32 or float64"),
        (lambda: Pair(torch.float16), "has weights of float16, expected float32 or float64"),
    ],
)
def test_a_model_outside_the_contract_does_not_load(save: Any, model: Any, message: str) -> None:
    path = save(model())
    with pytest.raises(ModelLoadError, match=message) as caught:
        TorchScriptRuntime(path, features=4)
    assert caught.value.path == path


def test_another_number_of_features_does_not_load(save: Any) -> None:
    with pytest.raises(ModelLoadError, match="does not answer rows of 5 features"):
        TorchScriptRuntime(save(Pair()), features=5)


@pytest.mark.parametrize("content", [None, b"", b"no model"])
def test_a_file_that_is_no_module_does_not_load(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelLoadError, match=r"model.pt does not load in torch"):
        TorchScriptRuntime(path, features=4)


@without_cuda
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:one", "mps", "", "meta", "cpu:1"])
def test_a_device_that_is_not_there_is_refused(save: Any, device: str) -> None:
    message = f"device '{device}' was asked for; available here: cpu"
    with pytest.raises(ProviderUnavailableError, match=message):
        TorchScriptRuntime(save(Pair()), features=4, device=device)
