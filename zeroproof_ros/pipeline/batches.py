"""Inference over a loader of batches, with its coverage."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroproof_ros.contract import (
    InferenceConfig,
    StrictResult,
    adopt_masks,
    coverage_metric,
    strict_inference,
)
from zeroproof_ros.contract.arrays import Array, namespace
from zeroproof_ros.contract.coverage import mask_rate
from zeroproof_ros.errors import ArrayError, ModelRunError


@dataclass(frozen=True, eq=False)
class BatchResult:
    """All batches, one after the other; unpacks to its five fields in their order.

    Attributes:
        outputs: (N,) or (N, K), decoded values, NaN exactly where bottom.
        bottom_masks: (N,), (N, 1) or (N, K) bool, True where there is no value.
        gap_masks: shape of `bottom_masks`, bool, True where the value is risky.
        coverage: 1 - bottom, the share of entries of `bottom_masks` that are False.
        gap_rate: the share of entries of `gap_masks` that are True.
    """

    outputs: Array
    bottom_masks: Array
    gap_masks: Array
    coverage: float
    gap_rate: float

    def __iter__(self) -> Iterator[Any]:
        fields = (self.outputs, self.bottom_masks, self.gap_masks, self.coverage, self.gap_rate)
        return iter(fields)


def batch_inference(
    model: Callable[[Array], Any], data_loader: Iterable[Any], config: InferenceConfig
) -> BatchResult:
    """Decode every batch of a loader.

    A torch module runs in evaluation mode and without gradients, and gets its modes back.

    Args:
        model: from a batch to (P, Q), which is decoded with `config`, or to something that unpacks
            to `decoded, bottom_mask, gap_mask`, which a model has decided with its own thresholds:
            a wrapper in evaluation mode, or `run` of a bundle.
        data_loader: gives batches (n, ...), or tuples or lists of one, as a torch `DataLoader`.
        config: the thresholds for (P, Q).

    Raises:
        ArrayError: a batch that is not one array, a loader that is an array itself, no row at all,
            or answers that break the mask contract.
        ModelRunError: an answer of another form, or of another number of rows than its batch.
    """
    if hasattr(data_loader, "dtype"):
        raise ArrayError(
            f"data_loader is {type(data_loader).__name__}, expected batches; give [x] for one"
        )
    with _evaluation(model), _no_gradients():
        results = [_decode(model, _only_array(batch), config) for batch in data_loader]
    if not results:
        raise ArrayError("data_loader gave no batch, so there is nothing to decode")
    outputs = _concatenated("decoded", [result.decoded for result in results])
    bottom = _concatenated("bottom_mask", [result.bottom_mask for result in results])
    gap = _concatenated("gap_mask", [result.gap_mask for result in results])
    return BatchResult(outputs, bottom, gap, coverage_metric(bottom), mask_rate(gap))


def _only_array(batch: Any) -> Array:
    if isinstance(batch, tuple | list) and len(batch) == 1:
        (batch,) = batch
    if not hasattr(batch, "dtype") or not batch.ndim:
        told = f"{len(batch)} things" if isinstance(batch, tuple | list) else type(batch).__name__
        raise ArrayError(
            f"a batch is {told}, expected one array (n, ...) or a tuple of one", found=type(batch)
        )
    return batch


def _decode(model: Callable[[Array], Any], batch: Array, config: InferenceConfig) -> StrictResult:
    answer = model(batch)
    # An array unpacks too, but to its rows.
    parts = () if hasattr(answer, "dtype") or not isinstance(answer, Iterable) else tuple(answer)
    if len(parts) == 2:
        result = strict_inference(*parts, config)
    elif len(parts) == 3:
        result = adopt_masks(*parts)
    else:
        raise ModelRunError(
            f"the model answered {type(answer).__name__}, expected (P, Q) or "
            "(decoded, bottom_mask, gap_mask)",
            found=type(answer),
        )
    if result.decoded.shape[0] != batch.shape[0]:
        raise ModelRunError(
            f"the model answered {result.decoded.shape[0]} rows for {batch.shape[0]}",
            found=result.decoded.shape[0],
            expected=batch.shape[0],
        )
    return result


def _concatenated(name: str, parts: Sequence[Array]) -> Array:
    xp = namespace(**{f"{name} of batch {i}": part for i, part in enumerate(parts)})
    widths = {tuple(part.shape[1:]) for part in parts}
    if len(widths) != 1:
        raise ModelRunError(
            f"{name} has rows of the shapes {sorted(widths)} in different batches, expected one",
            found=widths,
        )
    # The name of the array API is in numpy since 2.0.
    return np.concatenate(parts) if xp is np else xp.concat(parts, axis=0)


@contextmanager
def _evaluation(model: object) -> Iterator[None]:
    """A torch module, told by its methods, in evaluation mode; anything else as it is."""
    if not (hasattr(model, "eval") and hasattr(model, "modules")):
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _no_gradients() -> AbstractContextManager[Any]:
    # Whoever brings a torch model has imported torch.
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else torch.no_grad()
