"""A projective model that decodes strictly once it is trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.runtimes.torchscript import projective_pair


class SCMInferenceWrapper(nn.Module):
    """A model that answers a projective pair (P, Q), and its strict decode.

    Deploy it with `training.export.export_bundle`. `torch.onnx.export` takes it too, but torch's
    newer exporter rounds the thresholds to float32.

    Args:
        model: takes x (N, F) and answers P (N,) or (N, K) and Q (N,), (N, 1) or (N, K).
        config: the thresholds, in the unit of Q.
    """

    def __init__(
        self,
        model: nn.Module,
        config: InferenceConfig = InferenceConfig(),  # noqa: B008 -- frozen, so safe to share
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config

    def forward(self, x: Any) -> Any:
        """(P, Q) while training, for the losses; what `strict_inference` answers in eval mode.

        Tracers and exporters take nothing but tensors, so they get the plain tuple
        `(decoded, bottom_mask, gap_mask)`.

        Raises:
            ModelRunError: the model does not answer a pair of tensors.
            ArrayError, ThresholdError: see `strict_inference`.
        """
        P, Q = projective_pair(self.model(x))
        if self.training:
            return P, Q
        result = strict_inference(P, Q, self.config)
        if torch.jit.is_tracing() or torch.compiler.is_exporting():
            return tuple(result)
        return result
