"""The strict decode of torch tensors: the same masks and values as numpy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zeroproof_ros.contract import (
    InferenceConfig,
    StrictResult,
    adopt_masks,
    strict_inference,
)
from zeroproof_ros.errors import ArrayError, ThresholdError

torch = pytest.importorskip("torch", reason="torch, the other array library of this test")

INFER, TRAIN = 2.0**-6, 2.0**-4
EDGES = [INFER, TRAIN, 0.0, np.inf, np.nan, 1.0, 1e38, 1e-3, 2.0**-7]
Q = np.array([sign * edge for edge in EDGES for sign in (1, -1)] * 4)
P = np.repeat([1.0, np.nan, np.inf, 1e38], len(EDGES) * 2)
DTYPES = ["float64", "float32", "float16", "bfloat16"]


def fields(result: StrictResult) -> dict[str, Any]:
    return {name: np.asarray(value.to(torch.float64)) for name, value in vars(result).items()}


def to_numpy(array: Any) -> Any:
    """The same numbers in numpy; bfloat16, which it lacks, in float32, which holds them all."""
    return (array.float() if array.dtype is torch.bfloat16 else array).numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("representation", ["split_masks", "bottom_provenance"])
@pytest.mark.parametrize("shape", ["(N,)", "(N, K) (N,)", "(N, K) (N, 1)", "(N, K) (N, K)"])
def test_a_tensor_decodes_like_the_array_of_the_same_numbers(
    shape: str, representation: str, dtype: str
) -> None:
    p, q = torch.tensor(P), torch.tensor(Q)
    if shape != "(N,)":
        p = torch.stack([p, torch.ones_like(p)], dim=1)
    if shape == "(N, K) (N, 1)":
        q = q[:, None]
    elif shape == "(N, K) (N, K)":
        q = torch.stack([q, q.flip(0)], dim=1)
    p, q = p.to(getattr(torch, dtype)), q.to(getattr(torch, dtype))
    config = InferenceConfig(INFER, TRAIN, "experimental", representation)
    found = strict_inference(p, q, config)
    expected = strict_inference(to_numpy(p), to_numpy(q), config)
    assert found.decoded.dtype == p.dtype
    assert found.bottom_mask.dtype == torch.bool
    for name, value in fields(found).items():
        if name == "decoded" and dtype == "bfloat16":
            # numpy divided in float32; rounding to 8 bits is the only difference
            np.testing.assert_allclose(value, vars(expected)[name], rtol=2.0**-8)
        else:
            np.testing.assert_array_equal(value, vars(expected)[name], err_msg=name)


def test_a_tensor_that_overflows_is_a_fault() -> None:
    pair = torch.tensor([1e38]), torch.tensor([1e-5])
    decoded, bottom, _ = strict_inference(*pair, InferenceConfig(1e-6))
    assert bottom.item()
    assert torch.isnan(decoded).item()


def test_a_threshold_that_is_zero_in_a_narrow_tensor_is_refused() -> None:
    one = torch.ones(1, dtype=torch.float16)
    with pytest.raises(ThresholdError, match="tau_infer 1e-08 is 0 in torch.float16"):
        strict_inference(one, one, InferenceConfig(1e-8))


def test_tensors_and_arrays_do_not_mix() -> None:
    with pytest.raises(ArrayError, match="P is Tensor and Q is ndarray, expected arrays of one"):
        strict_inference(torch.ones(1), np.ones(1))


def test_integer_tensors_are_refused() -> None:
    one = torch.ones(1, dtype=torch.int64)
    with pytest.raises(ArrayError, match="P has dtype torch.int64, expected real floating"):
        strict_inference(one, one)


def test_masks_of_tensors_are_adopted() -> None:
    no = torch.zeros(2, dtype=torch.bool)
    result = adopt_masks(torch.tensor([1.0, np.inf]), no, ~no)
    assert result.fault_mask.tolist() == [False, True]
    assert result.gap_mask.tolist() == [True, False]


def test_gradients_flow_through_accepted_values_only() -> None:
    p = torch.ones(2, requires_grad=True)
    decoded, bottom, _ = strict_inference(p, torch.tensor([2.0, 0.0]))
    decoded[~bottom].sum().backward()
    assert p.grad.tolist() == [0.5, 0.0]


def test_a_denominator_with_a_gradient_decodes_without_a_warning() -> None:
    p, q = (torch.tensor([1.0, 3.0], requires_grad=True) for _ in "PQ")
    for config in (
        InferenceConfig(2.0),
        InferenceConfig(2.0, None, "experimental", "bottom_provenance"),
    ):
        decoded, bottom, _ = strict_inference(p, q, config)
        assert bottom.tolist() == [True, False]
        assert decoded[1].requires_grad
