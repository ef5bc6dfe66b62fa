"""Torch models as ONNX files and as bundles.

A file depends on nothing but the model: the same model gives the same bytes in another process,
and no path, time or source line of the machine that wrote it is inside.
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from onnx import ModelProto, checker
from torch import nn

from zeroproof_ros import __version__
from zeroproof_ros.bundle import GraphKind, write_bundle
from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.errors import ArrayError, ConfigError, ModelExportError
from zeroproof_ros.files import replacing
from zeroproof_ros.runtimes.onnx import OnnxRuntime
from zeroproof_ros.runtimes.torchscript import projective_pair
from zeroproof_ros.training.bundle_metadata import BATCH, bundle_metadata
from zeroproof_ros.training.strict_graph import IR_VERSION, OPSET, as_kind
from zeroproof_ros.training.wrapper import SCMInferenceWrapper

# The oldest that torch writes without a conversion, which fails for common layers, and the newest
# that ONNX Runtime 1.17 reads.
OPSETS = range(18, 21)
FLOATS = (torch.float32, torch.float64)


def export_bundle(
    wrapped: SCMInferenceWrapper,
    bundle_dir: Path | str,
    *,
    example_inputs: tuple[torch.Tensor],
    kind: GraphKind = GraphKind.STRICT,
    deployment: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a wrapped model as a bundle that has been loaded once before anybody sees it.

    Args:
        wrapped: in eval mode; its config gives the thresholds.
        bundle_dir: the folder the bundle shall be.
        example_inputs: one table x (N, F), N >= 1, float32 or float64, as the model takes it.
        kind: a strict graph decodes by itself, as zeroproofml reads it; a projective one leaves
            (P, Q) to the runtime, which gives |Q| to the monitor.
        deployment: the `deployment` block, which says what the model moves.
        overwrite: whether an existing bundle is replaced.

    Raises:
        ConfigError: not a wrapped model, one that is in training mode, or another kind.
        ArrayError: another example than the above, or a P and Q that do not fit each other.
        ModelRunError: the model does not answer a pair of tensors.
        ThresholdError: a threshold that is 0 in the dtype of Q.
        ModelExportError: a model that torch can not write for any number of rows.
        ModelLoadError: a graph that ONNX Runtime does not load.
        BundleError: see `write_bundle`.
    """
    if not isinstance(wrapped, SCMInferenceWrapper):
        raise ConfigError(
            f"a {type(wrapped).__name__} has no thresholds; wrap the model in SCMInferenceWrapper",
            found=type(wrapped),
            expected=SCMInferenceWrapper,
        )
    graph = as_kind(
        kind,
        _projective_graph(wrapped.model, example_inputs, OPSET, wrapped.config),
        wrapped.config,
    )
    metadata = {
        **bundle_metadata(graph, wrapped.config),
        **_ENVIRONMENT,
        **({} if deployment is None else {"deployment": deployment}),
    }
    write_bundle(Path(bundle_dir), _to_bytes(graph), metadata, overwrite=overwrite)


def export_onnx_model(
    model: nn.Module,
    path: Path | str,
    *,
    example_inputs: tuple[torch.Tensor],
    opset_version: int = OPSET,
) -> None:
    """Write a projective model as an ONNX file with the outputs numerator and denominator.

    Load it with `runtimes.onnx.OnnxRuntime`, decode it with `strict_inference`. A file at `path`
    is replaced once the new one has been loaded.

    Args:
        model: in eval mode; takes x (N, F) and answers P (N,) or (N, K) and Q (N,), (N, 1) or
            (N, K).
        path: the file.
        example_inputs: one table x (N, F), N >= 1, float32 or float64, as the model takes it.
        opset_version: 18 to 20.

    Raises:
        ConfigError: another opset, or a model that is in training mode.
        ArrayError, ModelRunError, ModelExportError, ModelLoadError: see `export_bundle`.
    """
    if opset_version not in OPSETS:
        raise ConfigError(
            f"opset_version is {opset_version}, expected {OPSETS[0]} to {OPSETS[-1]}",
            found=opset_version,
            expected=tuple(OPSETS),
        )
    content = _to_bytes(_projective_graph(model, example_inputs, opset_version, InferenceConfig()))
    path = Path(path).absolute()
    OnnxRuntime(path, content=content)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as staging:
        staging.write_bytes(content)


def example_table(example_inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """The one table x (N, F) among the inputs of a model, N >= 1.

    Raises:
        ArrayError: anything else.
    """
    x = example_inputs[0] if len(example_inputs) == 1 else None
    if isinstance(x, torch.Tensor) and x.ndim == 2 and len(x) > 0 and x.dtype in FLOATS:
        return x.detach()
    found = ", ".join(
        f"{part.dtype}{tuple(part.shape)}" if isinstance(part, torch.Tensor) else repr(part)
        for part in example_inputs
    )
    raise ArrayError(
        f"the inputs are ({found}), expected (x,) with one float32 or float64 tensor x (N, F) of "
        "at least one row",
        found=example_inputs,
    )


def check_eval_mode(model: nn.Module) -> None:
    """Raise ConfigError if a part of the model is in training mode, where it may answer by chance.

    Raises:
        ConfigError: the message names the part.
    """
    for name, module in model.named_modules():
        if module.training:
            raise ConfigError(
                f"{name or type(model).__name__} is in training mode; call .eval() on the model",
                found=name,
            )


def _projective_graph(
    model: nn.Module, example_inputs: tuple[torch.Tensor], opset: int, config: InferenceConfig
) -> ModelProto:
    check_eval_mode(model)
    row = example_table(example_inputs)[:1]
    with torch.no_grad():
        _check_answers(model, row, config)
        graph = _export(model, row.repeat(2, 1), opset)
    _strip(graph)
    graph.ir_version = IR_VERSION
    del graph.graph.value_info[:]
    return graph


def _check_answers(model: nn.Module, row: torch.Tensor, config: InferenceConfig) -> None:
    """Raise unless the model answers a pair under the contract, for one row and for more."""
    for rows in (1, 2):
        P, Q = projective_pair(model(row.repeat(rows, 1)))
        strict_inference(P, Q, config)
        if P.dtype != Q.dtype or P.dtype not in FLOATS or len(P) != rows:
            raise ArrayError(
                f"{rows} rows gave P {P.dtype}{tuple(P.shape)} and Q {Q.dtype}{tuple(Q.shape)}, "
                f"expected both float32 or both float64, with {rows} rows",
                found=(P.dtype, Q.dtype),
            )


def _export(model: nn.Module, x: torch.Tensor, opset: int) -> ModelProto:
    try:
        with warnings.catch_warnings():
            # The exporter warns of what it calls in torch itself.
            for category in (DeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", category)
            program: Any = torch.onnx.export(
                model,
                (x,),
                dynamo=True,
                external_data=False,
                verbose=False,
                opset_version=opset,
                input_names=["input_0"],
                output_names=list(GraphKind.PROJECTIVE.value),
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
            )
    except torch.onnx.OnnxExporterError as error:
        reason = error.__cause__ or error
        raise ModelExportError(
            f"torch {torch.__version__} can not write {type(model).__name__} as ONNX: {reason}"
        ) from error
    graph: ModelProto = program.model_proto
    written = {entry.domain: entry.version for entry in graph.opset_import}
    if written != {"": opset}:
        raise ModelExportError(
            f"torch {torch.__version__} writes {type(model).__name__} with the operators of "
            f"{written}, expected ONNX's own of opset {opset}",
            found=written,
            expected={"": opset},
        )
    tensors = [value.type.tensor_type for value in (*graph.graph.input, *graph.graph.output)]
    if any(tensor.shape.dim[0].dim_param != BATCH for tensor in tensors):
        raise ModelExportError(
            f"{type(model).__name__} fixes the number of rows to that of the example; build "
            "tensors of that length from the input (zeros_like), not from len(x)"
        )
    return graph


def _strip(message: Any) -> None:
    """Clear what the exporter noted about the machine and the source, in all parts of a graph."""
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                _strip(part)


def _to_bytes(graph: ModelProto) -> bytes:
    checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString())


# Commit and time stay empty: whatever repository lies around need not be that of the model.
_ENVIRONMENT: dict[str, Any] = {
    "python": {"version": platform.python_version()},
    "torch": {"version": str(torch.__version__)},
    "package": {"zeroproof": None, "zeroproofml": None, "zeroproof_ros": __version__},
    "git": {"commit_sha": None},
    "config_source": "model",
    **dict.fromkeys(
        (
            "fallback_policy_id",
            "benchmark_snapshot_id",
            "preprocessing_contract_id",
            "postprocessing_contract_id",
            "normalization_metadata",
        )
    ),
}
