"""A bundle beside the model it was made from, on the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zeroproof_ros.bundle import Bundle, GraphKind, load_bundle
from zeroproof_ros.contract import InferenceConfig, StrictResult, strict_inference
from zeroproof_ros.errors import SmokeTestError
from zeroproof_ros.runtimes.onnx import CPU
from zeroproof_ros.runtimes.torchscript import projective_pair
from zeroproof_ros.training.export import check_eval_mode, example_table
from zeroproof_ros.training.wrapper import SCMInferenceWrapper

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SmokeTest:
    """What a smoke test that passed has seen.

    Attributes:
        rows: how many rows were compared.
        largest_difference: of the decoded values that both call accepted; 0.0 if there is none.
        flipped: masks that differ, all of them with |Q| next to a threshold.
        providers: the execution providers that ran the bundle.
    """

    rows: int
    largest_difference: float
    flipped: int
    providers: tuple[str, ...]


def run_bundle_reference_smoke_test(
    bundle_dir: Path | str,
    wrapped: SCMInferenceWrapper,
    smoke_inputs: tuple[torch.Tensor],
    *,
    providers: Sequence[str] = (CPU,),
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> SmokeTest:
    """Compare what a bundle answers with what the torch model answers.

    They add up in another order, so P and Q of the two may differ by eps(v) = rtol |v| + atol.
    What follows from that may differ, and nothing else:

        a mask     where |Q| lies within eps(Q) of the threshold
        P / Q      by (eps(P) + |P / Q| eps(Q)) / (|Q| - eps(Q)), while |Q| > eps(Q)

    Args:
        bundle_dir: the bundle, strict or projective.
        wrapped: the model it was made from, in eval mode.
        smoke_inputs: one table x (N, F), N >= 1.
        providers: the execution providers that must run the bundle.
        rtol: relative part of eps.
        atol: absolute part of eps, in the unit of P and of Q.

    Raises:
        SmokeTestError: they differ; names the first row and both answers.
        ConfigError: a model in training mode.
        ArrayError: other inputs than the above.
        BundleError, ModelRunError, ProviderUnavailableError: see `load_bundle`, `Bundle.run`.
    """
    check_eval_mode(wrapped)
    x = example_table(smoke_inputs)
    with torch.no_grad():
        pair = projective_pair(wrapped.model(x))
    P, Q = (part.cpu().numpy() for part in pair)
    bundle = load_bundle(bundle_dir, providers=providers)
    _check_thresholds(bundle, wrapped.config)
    model = strict_inference(P, Q, wrapped.config)
    answer = bundle.run(x.cpu().numpy())
    _check_shapes(bundle, answer, model)

    p_abs, q_abs = np.abs(P, dtype=np.float64), np.abs(Q, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # 0 times infinity, which is a fault and not compared
        eps_p, eps_q = rtol * p_abs + atol, rtol * q_abs + atol
    near_infer = _near(q_abs, eps_q, wrapped.config.tau_infer)
    near = near_infer | _near(q_abs, eps_q, wrapped.config.tau_train)
    bottoms = answer.bottom_mask != model.bottom_mask
    gaps = answer.gap_mask != model.gap_mask
    difference = _difference(answer, model)
    wrong = {
        "bottom_mask": bottoms & ~near_infer,
        "gap_mask": gaps & ~near,
        "decoded": difference > _bound(model.decoded, q_abs, eps_p, eps_q),
    }
    _refuse_first(bundle, wrong, answer, model, q_abs)
    return SmokeTest(
        rows=len(x),
        largest_difference=float(difference.max()),
        flipped=int(bottoms.sum() + gaps.sum()),
        providers=bundle.runtime.providers,
    )


def _near(q_abs: Floats, eps_q: Floats, threshold: float | None) -> NDArray[np.bool_]:
    near = np.isfinite(q_abs)
    near &= threshold is not None and np.abs(q_abs - threshold) <= eps_q
    return near


def _difference(answer: StrictResult, model: StrictResult) -> Floats:
    """How far the decoded values lie apart; 0 where not both have one."""
    one_has_none = _like(answer.bottom_mask | model.bottom_mask, model.decoded)
    found = answer.decoded.astype(np.float64) - model.decoded
    return np.where(one_has_none, 0.0, np.abs(found))


def _bound(decoded: Floats, q_abs: Floats, eps_p: Floats, eps_q: Floats) -> Floats:
    q_abs, eps_q = _like(q_abs, decoded), _like(eps_q, decoded)
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = (eps_p + np.abs(decoded) * eps_q) / (q_abs - eps_q)
    return np.where(q_abs > eps_q, bound, np.inf)


def _like(per_denominator: NDArray[Any], decoded: Floats) -> NDArray[Any]:
    """An array in the shape of Q, so that it goes with P."""
    return per_denominator if per_denominator.ndim == decoded.ndim else per_denominator[:, None]


def _check_thresholds(bundle: Bundle, config: InferenceConfig) -> None:
    found = bundle.config.tau_infer, bundle.config.tau_train
    expected = config.tau_infer, config.tau_train
    if found != expected:
        raise SmokeTestError(
            f"{bundle.path} has the thresholds {found}, the model {expected}; export it again",
            found=found,
            expected=expected,
            path=bundle.path,
        )


def _check_shapes(bundle: Bundle, answer: StrictResult, model: StrictResult) -> None:
    for name in GraphKind.STRICT.value:
        found, expected = getattr(answer, name).shape, getattr(model, name).shape
        if found != expected:
            raise SmokeTestError(
                f"{bundle.path}: {name} has shape {found} in the bundle, {expected} in the model",
                found=found,
                expected=expected,
                path=bundle.path,
            )


def _refuse_first(
    bundle: Bundle,
    wrong: Mapping[str, NDArray[np.bool_]],
    answer: StrictResult,
    model: StrictResult,
    q_abs: Floats,
) -> None:
    rows: dict[str, Any] = {
        name: entries.reshape(len(entries), -1).any(axis=1) for name, entries in wrong.items()
    }
    bad: Any = np.stack(list(rows.values())).any(axis=0)
    if not bad.any():
        return
    row = int(bad.argmax())
    name = next(name for name in rows if rows[name][row])
    found, expected = getattr(answer, name)[row], getattr(model, name)[row]
    raise SmokeTestError(
        f"{bundle.path}: row {row}: {name} is {found} in the bundle and {expected} in the model, "
        f"where |Q| is {q_abs[row]}; {int(bad.sum())} of {len(bad)} rows differ",
        found=found,
        expected=expected,
        path=bundle.path,
    )
