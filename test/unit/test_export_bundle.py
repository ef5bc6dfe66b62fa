"""Bundles from torch models: they load, they decode as the model does, they are reproducible."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeroproof_ros.bundle import Bundle, GraphKind, load_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import (
    ArrayError,
    BundlePathError,
    ConfigError,
    DeploymentError,
    ModelExportError,
    ModelRunError,
    ThresholdError,
)

torch = pytest.importorskip("torch", reason="torch, in which the exported models are")
onnx = pytest.importorskip("onnx", reason="onnx, the format they are exported to")
pytest.importorskip("onnxscript", reason="onnxscript, with which torch writes ONNX")

from torch_models import Answers, Columns, learned, rows

from zeroproof_ros.training.export import export_bundle
from zeroproof_ros.training.strict_graph import KINDS
from zeroproof_ros.training.wrapper import SCMInferenceWrapper

CONFIG = InferenceConfig(tau_infer=0.05, tau_train=1 / 3)
SHAPES = ["(N,) (N,)", "(N, K) (N,)", "(N, K) (N, 1)", "(N, K) (N, K)"]
DTYPES = {"float32": np.float32, "float64": np.float64}


def wrap(model: Any, config: InferenceConfig = CONFIG) -> Any:
    return SCMInferenceWrapper(model, config).eval()


def test_the_documented_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wrapped, x = wrap(learned()), rows()
    export_bundle(wrapped, "bundle_dir", example_inputs=(x,))
    decoded, bottom_mask, gap_mask = load_bundle("bundle_dir").run(x.numpy())
    with torch.no_grad():
        expected = wrapped(x)
    np.testing.assert_allclose(decoded, expected.decoded, rtol=1e-4)
    np.testing.assert_array_equal(bottom_mask, expected.bottom_mask)
    np.testing.assert_array_equal(gap_mask, expected.gap_mask)
    assert sorted(path.name for path in Path("bundle_dir").iterdir()) == [
        "metadata.json",
        "model.onnx",
    ]


@pytest.fixture(scope="module")
def columns(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Bundle]:
    """Exports and loads a model that answers the columns of its table."""
    loaded: dict[Any, Bundle] = {}

    def build(shape: str, dtype: str, kind: GraphKind) -> Bundle:
        if (shape, dtype, kind) not in loaded:
            folder = tmp_path_factory.mktemp("columns") / "bundle"
            x = torch.zeros(1, 4, dtype=getattr(torch, dtype))
            export_bundle(wrap(Columns(shape)), folder, example_inputs=(x,), kind=kind)
            loaded[shape, dtype, kind] = load_bundle(folder)
        return loaded[shape, dtype, kind]

    return build


NEXT = [
    float(np.nextafter(dtype(tau), dtype(towards)))
    for tau in (0.05, 1 / 3)
    for dtype in DTYPES.values()
    for towards in (0.0, tau, 9.0)
]
EDGES = [*NEXT, 0.05, 1 / 3, 0.0, np.nan, np.inf, 3e38, 1e-40, 1e300, 1.0]
NUMBERS = st.sampled_from([*EDGES, *[-edge for edge in EDGES]]) | st.floats(-1, 1)


@pytest.mark.parametrize(
    ("shape", "dtype"), [*((shape, "float32") for shape in SHAPES), (SHAPES[1], "float64")]
)
@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(4)), elements=NUMBERS))
def test_a_bundle_answers_what_the_wrapped_model_answers(
    columns: Callable[..., Bundle], shape: str, dtype: str, table: Any
) -> None:
    with np.errstate(over="ignore", under="ignore"):
        table = table.astype(dtype)
    expected = [part.numpy() for part in wrap(Columns(shape))(torch.from_numpy(table))]
    # the graph itself, before the loader looks after it
    strict = columns(shape, dtype, GraphKind.STRICT).runtime.run(table)
    projective = columns(shape, dtype, GraphKind.PROJECTIVE).run(table)
    for found in (strict, projective):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_number_of_rows(
    columns: Callable[..., Bundle], shape: str, count: int, kind: GraphKind
) -> None:
    x = rows(count)
    found = columns(shape, "float32", kind).run(x.numpy())
    for one, other in zip(found, wrap(Columns(shape))(x), strict=True):
        np.testing.assert_array_equal(one, other.numpy())


def test_a_projective_bundle_gives_the_denominator(columns: Callable[..., Bundle]) -> None:
    bundle = columns("(N, K) (N,)", "float32", GraphKind.PROJECTIVE)
    q_abs = bundle.run(rows(5).numpy()).q_abs
    assert q_abs is not None
    np.testing.assert_array_equal(q_abs, np.abs(rows(5).numpy()[:, 2]))
    assert columns("(N,) (N,)", "float32", GraphKind.STRICT).run(np.zeros((1, 4))).q_abs is None


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


EXPORT = """
import sys
from pathlib import Path
from torch_models import learned, rows
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.training.export import export_bundle
from zeroproof_ros.training.strict_graph import KINDS
from zeroproof_ros.training.wrapper import SCMInferenceWrapper
wrapped = SCMInferenceWrapper(learned(), InferenceConfig(0.05, 1 / 3)).eval()
for kind in KINDS:
    folder = Path(sys.argv[1], kind.name)
    export_bundle(wrapped, folder, example_inputs=(rows(7),), kind=kind)
"""


def test_another_process_in_another_folder_writes_the_same_bytes(tmp_path: Path) -> None:
    root, here = Path(__file__).parents[2], Path(__file__).parent
    environment = {"PYTHONPATH": f"{root}:{here}", "PYTHONHASHSEED": "7", "HOME": str(tmp_path)}
    subprocess.run(
        [sys.executable, "-c", EXPORT, str(tmp_path / "there")],
        check=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
    )
    for kind in KINDS:
        folder = tmp_path / "here" / kind.name
        export_bundle(wrap(learned()), folder, example_inputs=(rows(1),), kind=kind)
        assert files(folder) == files(tmp_path / "there" / kind.name)
        content = (folder / "model.onnx").read_bytes()
        for word in (str(root), sys.prefix, "site-packages", "torch_models", "forward", ".py"):
            assert word.encode() not in content, word


@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_is_one_that_every_runtime_reads(tmp_path: Path, kind: GraphKind) -> None:
    export_bundle(wrap(learned()), tmp_path / "new", example_inputs=(rows(1),), kind=kind)
    model = onnx.load(tmp_path / "new" / "model.onnx", load_external_data=False)
    assert model.ir_version == 9
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert not model.functions
    assert not model.metadata_props
    assert {node.domain for node in model.graph.node} == {""}
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    assert all(tensor.data_location == 0 for tensor in model.graph.initializer)
    tensors = [*model.graph.input, *model.graph.output]
    assert {tensor.type.tensor_type.shape.dim[0].dim_param for tensor in tensors} == {"batch"}


def test_the_metadata_says_what_zeroproofml_asks_for(tmp_path: Path) -> None:
    export_bundle(wrap(learned()), tmp_path / "new", example_inputs=(rows(1),))
    assert load_bundle(tmp_path / "new").thresholds_in_graph
    metadata = json.loads((tmp_path / "new" / "metadata.json").read_text("utf-8"))
    assert {key: metadata.pop(key)["version"] for key in ("python", "torch")} == {
        "python": sys.version.split(maxsplit=1)[0],
        "torch": torch.__version__,
    }
    assert metadata.pop("model_bytes") == (tmp_path / "new" / "model.onnx").stat().st_size
    assert len(metadata.pop("model_sha256")) == 64
    assert metadata.pop("package").keys() == {"zeroproof", "zeroproofml", "zeroproof_ros"}
    batch = {"decoded": 0, "bottom_mask": 0, "gap_mask": 0}
    assert metadata == {
        "format": "zeroproofml_export_bundle",
        "format_version": 1,
        "schema_name": "zeroproofml_export_bundle_metadata",
        "schema_version": 1,
        "git": {"commit_sha": None},
        "model_file": "model.onnx",
        "opset": 18,
        "input_names": ["input_0"],
        "output_names": list(batch),
        "inputs": [{"name": "input_0", "shape": ["batch", 4], "dtype": "float32"}],
        "outputs": [
            {"name": "decoded", "shape": ["batch", 2], "dtype": "float32"},
            {"name": "bottom_mask", "shape": ["batch"], "dtype": "bool"},
            {"name": "gap_mask", "shape": ["batch"], "dtype": "bool"},
        ],
        "batch_axis_semantics": {
            "axis_name": "batch",
            "input_axes": {"input_0": 0},
            "output_axes": batch,
        },
        "preprocessing_contract_id": None,
        "postprocessing_contract_id": None,
        "normalization_metadata": None,
        "mask_semantics": {
            "output_contract": "merged_only_masks",
            "provenance_mode": "off",
            "provenance_representation": None,
            "bottom_mask": "merged_bottom_mask",
            "gap_mask": "training_inference_gap_mask",
        },
        "scm_decoding_mode": "strict",
        "strict_inference_exports": "merged_only_masks",
        "strict_inference_schema_version": 1,
        "strict_inference_fields": list(batch),
        "tau_infer": 0.05,
        "tau_train": 1 / 3,
        "use_gap": True,
        "fallback_policy_id": None,
        "benchmark_snapshot_id": None,
        "config_source": "model",
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tau_train", [None, 0.05])
def test_without_room_between_the_thresholds_nothing_is_gap(
    tmp_path: Path, tau_train: float | None, kind: GraphKind
) -> None:
    wrapped = wrap(learned(), InferenceConfig(0.05, tau_train))
    export_bundle(wrapped, tmp_path / "new", example_inputs=(rows(1),), kind=kind)
    bundle = load_bundle(tmp_path / "new")
    assert bundle.metadata["use_gap"] is False
    result = bundle.run(rows().numpy())
    assert result.bottom_mask.any()
    assert not result.gap_mask.any()


def test_a_deployment_block_goes_along_and_is_checked(
    tmp_path: Path, block: dict[str, Any]
) -> None:
    wrapped = wrap(learned())
    export_bundle(wrapped, tmp_path / "new", example_inputs=(rows(1),), deployment=block)
    deployment = load_bundle(tmp_path / "new").deployment
    assert deployment is not None
    assert deployment.outputs == ("dtheta1", "dtheta2")
    block["features"] = [*block["features"], "load"]
    with pytest.raises(DeploymentError, match="the graph takes 4 features"):
        export_bundle(wrapped, tmp_path / "other", example_inputs=(rows(1),), deployment=block)
    assert not (tmp_path / "other").exists()


def test_an_existing_bundle_is_replaced_only_when_asked(tmp_path: Path) -> None:
    wrapped = wrap(learned())
    export_bundle(wrapped, tmp_path / "new", example_inputs=(rows(1),))
    before = files(tmp_path / "new")
    other = wrap(learned(), InferenceConfig(0.01))
    with pytest.raises(BundlePathError, match="new exists; choose another"):
        export_bundle(other, tmp_path / "new", example_inputs=(rows(1),))
    assert files(tmp_path / "new") == before
    export_bundle(other, tmp_path / "new", example_inputs=(rows(1),), overwrite=True)
    assert load_bundle(tmp_path / "new").config.tau_infer == 0.01


def test_the_model_stays_as_it_was(tmp_path: Path) -> None:
    wrapped = wrap(learned())
    weights = {name: weight.clone() for name, weight in wrapped.state_dict().items()}
    export_bundle(wrapped, tmp_path / "new", example_inputs=(rows(1),))
    assert not wrapped.training
    assert all(weight.requires_grad for weight in wrapped.parameters())
    for name, weight in wrapped.state_dict().items():
        torch.testing.assert_close(weight, weights[name], rtol=0, atol=0)


def refuse(error: type[Exception], message: str, wrapped: Any, folder: Path, *x: Any) -> None:
    with pytest.raises(error, match=message):
        export_bundle(wrapped, folder / "new", example_inputs=x or (rows(1),))
    assert not list(folder.iterdir())


def test_a_model_without_thresholds_is_refused(tmp_path: Path) -> None:
    refuse(ConfigError, "a Learned has no thresholds; wrap the model", learned(), tmp_path)


@pytest.mark.parametrize("part", ["whole", "dropout"])
def test_a_model_in_training_mode_is_refused(tmp_path: Path, part: str) -> None:
    wrapped = wrap(learned())
    (wrapped if part == "whole" else wrapped.model.body[2]).train()
    name = "Learned" if part == "whole" else "body.2"
    refuse(ConfigError, f"{name} is in training mode; call .eval", wrapped, tmp_path)


@pytest.mark.parametrize(
    ("x", "found"),
    [
        ((), r"\(\)"),
        ((torch.zeros(0, 4),), r"\(torch.float32\(0, 4\)\)"),
        ((torch.zeros(4),), r"\(torch.float32\(4,\)\)"),
        ((torch.zeros(1, 4, dtype=torch.float16),), r"\(torch.float16\(1, 4\)\)"),
        ((torch.zeros(1, 4, dtype=torch.int64),), r"\(torch.int64\(1, 4\)\)"),
        ((np.zeros((1, 4)),), r"\(array\("),
        ((torch.zeros(1, 4), torch.zeros(1, 4)), r"\(torch.float32\(1, 4\), torch.float32"),
    ],
)
def test_an_example_that_is_not_one_table_is_refused(tmp_path: Path, x: Any, found: str) -> None:
    message = f"the inputs are {found}.*expected \\(x,\\) with one float32 or float64 tensor"
    with pytest.raises(ArrayError, match=message):
        export_bundle(wrap(learned()), tmp_path / "new", example_inputs=x)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda h: h, ModelRunError, "the model answered Tensor, expected a pair"),
        (lambda h: {"P": h, "Q": h}, ModelRunError, "the model answered dict"),
        (lambda h: (h, h[:, :2]), ArrayError, r"P has shape \(1, 3\) and Q has"),
        # the denominator of a single row loses its axis
        (lambda h: (h[:, :2], h[:, 2:].squeeze()), ArrayError, r"Q has shape \(\)"),
        (lambda h: (h[:, 0], h[:, 1].double()), ArrayError, "expected both float32 or both"),
        (lambda h: (h.half(), h.half()), ArrayError, "expected both float32 or both float64"),
        (lambda h: (h[:1], h[:1]), ArrayError, "2 rows gave .*with 2 rows"),
        (
            lambda h: (h, torch.ones(len(h))),
            ModelExportError,
            "Answers fixes the number of rows to that of the example",
        ),
        (
            lambda h: (h, h if h.sum() > 0 else -h),
            ModelExportError,
            "can not write Answers as ONNX: .*data-dependent",
        ),
    ],
)
def test_a_model_that_no_graph_can_stand_for_is_refused(
    tmp_path: Path, make: Any, error: type[Exception], message: str
) -> None:
    refuse(error, message, wrap(Answers(make)), tmp_path)


def test_a_kind_that_is_not_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a graph is not written as PROVENANCE, only as PROJ"):
        export_bundle(
            wrap(learned()),
            tmp_path / "new",
            example_inputs=(rows(1),),
            kind=GraphKind.PROVENANCE,
        )
    assert not list(tmp_path.iterdir())


def test_a_threshold_that_q_can_not_hold_is_refused(tmp_path: Path) -> None:
    wrapped = wrap(learned(), InferenceConfig(1e-60))
    refuse(ThresholdError, "tau_infer 1e-60 is 0 in torch.float32", wrapped, tmp_path)


def test_nothing_warns(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        export_bundle(wrap(learned()), tmp_path / "new", example_inputs=(rows(1),))
    assert not caught
