"""Raw ONNX files from torch models: ours, and those of torch's own exporter as documented."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.errors import ArrayError, ConfigError, ModelExportError, ModelRunError
from zeroproof_ros.runtimes import TensorSpec
from zeroproof_ros.runtimes.onnx import OnnxRuntime

torch = pytest.importorskip("torch", reason="torch, in which the exported models are")
onnx = pytest.importorskip("onnx", reason="onnx, the format they are exported to")
pytest.importorskip("onnxscript", reason="onnxscript, with which torch writes ONNX")

from torch_models import Answers, learned, rows

from zeroproof_ros.training.export import export_onnx_model
from zeroproof_ros.training.wrapper import SCMInferenceWrapper

CONFIG = InferenceConfig(0.05, 0.1)
OPSETS = [18, 19, 20]


def check(path: Path, model: Any, x: Any) -> None:
    """The file decodes as the model does."""
    P, Q = OnnxRuntime(path).run(x.numpy())
    with torch.no_grad():
        expected = strict_inference(*(part.numpy() for part in model(x)), CONFIG)
    found = strict_inference(P, Q, CONFIG)
    np.testing.assert_array_equal(found.bottom_mask, expected.bottom_mask)
    np.testing.assert_array_equal(found.gap_mask, expected.gap_mask)
    np.testing.assert_allclose(found.decoded, expected.decoded, rtol=1e-4)
    assert 0 < found.bottom_mask.sum() < len(x) or len(x) < 50


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_file_of_any_opset_answers_as_the_model(tmp_path: Path, dtype: str, opset: int) -> None:
    model = learned().to(getattr(torch, dtype))
    x, path = rows().to(getattr(torch, dtype)), tmp_path / "model.onnx"
    export_onnx_model(model, path, example_inputs=(x,), opset_version=opset)
    for count in (0, 1, 2, 200):
        check(path, model, x[:count])
    assert OnnxRuntime(path).outputs == (
        TensorSpec("numerator", dtype, ("batch", 2)),
        TensorSpec("denominator", dtype, ("batch",)),
    )
    written = onnx.load(path)
    assert [(entry.domain, entry.version) for entry in written.opset_import] == [("", opset)]
    assert written.ir_version == 9
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


LAYERS = {
    "polynomial": lambda h: (h[:, :2] ** 3 - 2 * h[:, :2], torch.prod(h, dim=1)),
    "softplus": lambda h: (h.clamp(-1, 1), torch.nn.functional.softplus(h[:, :1]) + 1e-4),
    "trigonometry": lambda h: (torch.stack([h[:, 0].sin(), h[:, 1].cos()], 1), h[:, 2].tanh()),
    "where": lambda h: (torch.where(h > 0, h, -h), torch.linalg.vector_norm(h, dim=1)),
    "einsum": lambda h: (torch.einsum("ni,nj->ni", h, h), h.square().mean(-1, keepdim=True)),
    "normed": lambda h: (torch.nn.functional.layer_norm(h, (3,)), h.sum(1).sigmoid()),
    "a list": lambda h: [h[:, 0], h[:, 1]],
}


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("layer", LAYERS)
def test_usual_layers_come_through_in_any_opset(tmp_path: Path, layer: str, opset: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = Answers(LAYERS[layer]).eval()
    path = tmp_path / "model.onnx"
    export_onnx_model(model, path, example_inputs=(rows(1),), opset_version=opset)
    for count in (1, 2, 33):
        found = OnnxRuntime(path).run(rows(count).numpy())
        with torch.no_grad():
            for one, other in zip(found, model(rows(count)), strict=True):
                np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("opset", [14, 17, 21, 0])
def test_an_opset_outside_the_tried_ones_is_refused(tmp_path: Path, opset: int) -> None:
    with pytest.raises(ConfigError, match=f"opset_version is {opset}, expected 18 to 20"):
        export_onnx_model(
            learned(), tmp_path / "m.onnx", example_inputs=(rows(1),), opset_version=opset
        )


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lambda: learned().train(), ConfigError, "Learned is in training mode"),
        (lambda: Answers(lambda h: h).eval(), ModelRunError, "the model answered Tensor"),
        (
            lambda: SCMInferenceWrapper(learned()).eval(),
            ModelRunError,
            "the model answered StrictResult",
        ),
        (lambda: Answers(lambda h: (h, h[:, 0, None, None])).eval(), ArrayError, "and Q has"),
        (
            lambda: Answers(lambda h: (h, torch.ones(len(h)))).eval(),
            ModelExportError,
            "fixes the number of rows",
        ),
    ],
)
def test_a_refusal_leaves_the_file_that_was_there(
    tmp_path: Path, model: Any, error: type[Exception], message: str
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"before")
    with pytest.raises(error, match=message):
        export_onnx_model(model(), path, example_inputs=(rows(1),))
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_a_file_is_replaced_and_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "model.onnx"
    for _ in range(2):
        export_onnx_model(learned(), str(path), example_inputs=(rows(1),))
    check(path, learned(), rows())


@pytest.fixture
def _torch_may_warn() -> Iterator[None]:
    """Torch warns of the older keywords of its exporter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("_torch_may_warn")
@pytest.mark.parametrize("keywords", [{}, {"dynamo": False}], ids=["as written", "dynamo=False"])
def test_the_export_of_the_older_document_loads_and_decodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keywords: dict[str, Any]
) -> None:
    """As it is written there, and with the exporter of its time."""
    monkeypatch.chdir(tmp_path)
    model, input_dim = learned(), 4

    # Prepare dummy input
    dummy_input = torch.randn(1, input_dim)

    # Export
    torch.onnx.export(
        model,
        dummy_input,
        "model.onnx",
        export_params=True,
        opset_version=14,
        input_names=["input"],
        output_names=["numerator", "denominator"],
        dynamic_axes={
            "input": {0: "batch_size"},
            "numerator": {0: "batch_size"},
            "denominator": {0: "batch_size"},
        },
        **keywords,
    )

    # the newer exporter keeps 18 where it can not convert
    assert onnx.load("model.onnx").opset_import[0].version == (14 if keywords else 18)
    runtime = OnnxRuntime(Path("model.onnx"))
    assert runtime.inputs == (TensorSpec("input", "float32", ("batch_size", 4)),)
    assert runtime.outputs[1] == TensorSpec("denominator", "float32", ("batch_size",))
    for count in (1, 2, 200):
        check(Path("model.onnx"), model, rows(count))
