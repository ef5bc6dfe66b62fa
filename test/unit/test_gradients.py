"""Tensors with gradients and in narrow dtypes, through everything that takes tensors."""

from __future__ import annotations

from typing import Any

import pytest

from zeroproof_ros.calibration import tau_infer_sweep_from_q_abs
from zeroproof_ros.contract import (
    InferenceConfig,
    decode_strict_censored_3way,
    from_ieee,
    to_ieee,
)
from zeroproof_ros.pipeline import (
    batch_inference,
    reject_on_bottom,
    reject_on_gap,
    route_to_analytic_solver,
    safe_sentinel,
)

torch = pytest.importorskip("torch", reason="torch, whose tensors have gradients")

INF = float("inf")
BOTTOM = torch.tensor([True, False, False])


@pytest.fixture(params=["float64", "float32", "float16", "bfloat16"])
def values(request: pytest.FixtureRequest) -> Any:
    """Three rows with a gradient: one to be called bottom, one with an infinity, one finite."""
    dtype = getattr(torch, request.param)
    return torch.tensor([[1.0, 2.0], [INF, 4.0], [5.0, 6.0]], dtype=dtype, requires_grad=True)


def test_the_gradient_is_that_of_what_is_kept(values: Any) -> None:
    def route(decoded: Any) -> Any:
        return route_to_analytic_solver(
            decoded, BOTTOM, inputs=decoded, analytic_solver=torch.ones_like
        ).resolved

    for function in (
        lambda decoded: reject_on_bottom(decoded, BOTTOM)[0],
        lambda decoded: reject_on_gap(decoded, BOTTOM, ~BOTTOM & BOTTOM)[0],
        lambda decoded: safe_sentinel(decoded, BOTTOM, 0.1),
        lambda decoded: to_ieee(decoded, BOTTOM),
        route,
    ):
        values.grad = None
        found = function(values)
        assert found.dtype == values.dtype
        found[2].sum().backward()
        assert values.grad.tolist() == [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


def test_the_rest_takes_them_too(values: Any) -> None:
    value, bottom = from_ieee(values)
    assert value.dtype == values.dtype
    assert bottom.tolist() == [[False, False], [True, False], [False, False]]
    result = decode_strict_censored_3way(values[:, 0], values[:, 1], tau_infer=3.0)
    assert result.class_id.tolist() == [2, 3, 1]
    curves = tau_infer_sweep_from_q_abs(values, is_in_range=~BOTTOM, taus=[1.5, 4.5])
    assert curves["bottom_rate"] == [2 / 6, 4 / 6]
    found = batch_inference(lambda x: (x, x[:, 1]), [values, (values,)], InferenceConfig(3.0))
    assert found.bottom_masks.tolist() == [True, True, False] * 2
