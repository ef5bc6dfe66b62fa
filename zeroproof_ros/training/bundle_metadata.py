"""What the metadata of a bundle says of its graph, read from the graph itself."""

from __future__ import annotations

from typing import Any

from onnx import ModelProto, helper

from zeroproof_ros.bundle import GraphKind
from zeroproof_ros.contract import InferenceConfig

BATCH = "batch"


def bundle_metadata(model: ModelProto, config: InferenceConfig) -> dict[str, Any]:
    """The metadata of a bundle around a graph, in the words of schema version 1.

    Args:
        model: a strict or projective graph; the first axis of its tensors is "batch".
        config: the thresholds that decode it.
    """
    inputs = [_tensor(value) for value in model.graph.input]
    outputs = [_tensor(value) for value in model.graph.output]
    input_names = [tensor["name"] for tensor in inputs]
    output_names = [tensor["name"] for tensor in outputs]
    return {
        "format": "zeroproofml_export_bundle",
        "format_version": 1,
        "schema_name": "zeroproofml_export_bundle_metadata",
        "schema_version": 1,
        "opset": model.opset_import[0].version,
        "input_names": input_names,
        "output_names": output_names,
        "inputs": inputs,
        "outputs": outputs,
        "batch_axis_semantics": {
            "axis_name": BATCH,
            "input_axes": dict.fromkeys(input_names, 0),
            "output_axes": dict.fromkeys(output_names, 0),
        },
        "scm_decoding_mode": "strict",
        "tau_infer": config.tau_infer,
        "tau_train": config.tau_train,
        "use_gap": config.tau_train is not None and config.tau_train > config.tau_infer,
        **(_STRICT if GraphKind(tuple(output_names)) is GraphKind.STRICT else {}),
    }


def _tensor(value: Any) -> dict[str, Any]:
    tensor = value.type.tensor_type
    return {
        "name": value.name,
        "dtype": helper.tensor_dtype_to_np_dtype(tensor.elem_type).name,
        "shape": [dim.dim_param or dim.dim_value for dim in tensor.shape.dim],
    }


# What zeroproofml 0.5.1 asks of a bundle that decodes by itself.
_STRICT: dict[str, Any] = {
    "strict_inference_exports": "merged_only_masks",
    "strict_inference_schema_version": 1,
    "strict_inference_fields": list(GraphKind.STRICT.value),
    "mask_semantics": {
        "output_contract": "merged_only_masks",
        "provenance_mode": "off",
        "provenance_representation": None,
        "bottom_mask": "merged_bottom_mask",
        "gap_mask": "training_inference_gap_mask",
    },
}
