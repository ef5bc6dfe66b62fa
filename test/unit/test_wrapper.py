"""The wrapper: pairs while training, the strict decode afterwards, never a Q of its own."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.contract import (
    InferenceConfig,
    SplitMasksResult,
    StrictResult,
    strict_inference,
)
from zeroproof_ros.errors import ArrayError, ModelRunError, ThresholdError

torch = pytest.importorskip("torch", reason="torch, in which the wrapped models are")

from torch_models import Answers, Columns, learned, rows

from zeroproof_ros.training.wrapper import SCMInferenceWrapper

CONFIG = InferenceConfig(tau_infer=0.05, tau_train=0.1)


def same(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_the_documented_calls() -> None:
    model, x = learned(), rows()
    wrapped = SCMInferenceWrapper(model, config=CONFIG).eval()
    decoded, bottom_mask, gap_mask = wrapped(x)
    assert 0 < bottom_mask.sum() < len(x)
    assert gap_mask.any()
    assert torch.isnan(decoded).any(dim=1).equal(bottom_mask)
    with torch.no_grad():
        same(wrapped(x), strict_inference(*model(x), CONFIG))


def test_while_training_the_pair_passes_through_with_its_gradients() -> None:
    model, x = learned(), rows()
    wrapped = SCMInferenceWrapper(model, CONFIG)
    model.eval()  # no dropout, so that both calls answer alike
    P, Q = wrapped(x)
    same((P, Q), model(x))
    (P.sum() + Q.sum()).backward()
    assert all(weight.grad is not None for weight in wrapped.parameters())


def test_gradients_flow_through_what_is_accepted() -> None:
    x = torch.tensor([[1.0, 2.0], [1.0, 0.0]], requires_grad=True)
    decoded, bottom_mask, _ = SCMInferenceWrapper(Columns("(N,) (N,)")).eval()(x)
    decoded[~bottom_mask].sum().backward()
    assert x.grad.tolist() == [[0.5, -0.25], [0.0, 0.0]]


def test_it_answers_the_reasons_its_config_asks_for() -> None:
    config = InferenceConfig(0.05, provenance="experimental")
    result = SCMInferenceWrapper(learned(), config).eval()(rows())
    assert isinstance(result, SplitMasksResult)
    assert type(SCMInferenceWrapper(learned()).eval()(rows())) is StrictResult


def test_it_is_a_module_like_any_other() -> None:
    wrapped = SCMInferenceWrapper(learned(), CONFIG)
    assert wrapped.train() is wrapped
    assert wrapped.eval().training is False
    other = SCMInferenceWrapper(type(learned())(), CONFIG).eval()
    other.load_state_dict(wrapped.state_dict())
    same(other(rows()), wrapped(rows()))
    assert set(wrapped.state_dict()) == {f"model.{name}" for name in learned().state_dict()}
    assert wrapped.to(torch.float64)(rows().double()).decoded.dtype == torch.float64


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda h: h, "Tensor"),
        (lambda h: (h,), "tuple of Tensor"),
        (lambda h: (h, h, h), "tuple of Tensor, Tensor, Tensor"),
        (lambda h: (h, 1.0), "tuple of Tensor, float"),
        (lambda h: (h, None), "tuple of Tensor, NoneType"),
        (lambda _: [], "list of nothing"),
        (lambda h: {"P": h, "Q": h}, "dict"),
        (lambda _: None, "NoneType"),
    ],
)
def test_what_is_no_pair_of_tensors_is_refused(make: Any, found: str, training: bool) -> None:
    wrapped = SCMInferenceWrapper(Answers(make)).train(training)
    with pytest.raises(ModelRunError, match=f"the model answered {found}, expected a pair"):
        wrapped(rows(2))


def test_a_lone_tensor_of_two_rows_is_not_a_pair() -> None:
    """It would unpack into two."""
    with pytest.raises(ModelRunError, match="the model answered Tensor"):
        SCMInferenceWrapper(Answers(lambda h: h[:, 0])).eval()(rows(2))


def test_the_model_gets_what_the_wrapper_gets() -> None:
    """A pair given as input is the input, not the answer."""
    wrapped = SCMInferenceWrapper(Answers(lambda h: (h[:, 0], h[:, 1]))).eval()
    with pytest.raises(TypeError, match="linear"):
        wrapped((rows(2), torch.ones(2)))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda h: (h[:, 0], h[:, :1]), ArrayError, r"P has shape \(2,\) and Q has"),
        (lambda h: (h.int(), h), ArrayError, "P has dtype torch.int32"),
        (lambda h: (h.half(), h.half()), ThresholdError, "tau_infer 1e-09 is 0 in torch.float16"),
    ],
)
def test_a_pair_outside_the_contract_is_refused(make: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        SCMInferenceWrapper(Answers(make), InferenceConfig(1e-9)).eval()(rows(2))


@pytest.fixture
def wrapped() -> Any:
    return SCMInferenceWrapper(learned(), CONFIG).eval()


@pytest.fixture
def _torch_may_warn() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("_torch_may_warn")
def test_a_trace_is_a_plain_tuple_that_decodes_alike(wrapped: Any) -> None:
    traced = torch.jit.trace(wrapped, (rows(3),))
    result = traced(rows(50))
    assert type(result) is tuple
    same(result, wrapped(rows(50)))


@pytest.mark.usefixtures("_torch_may_warn")
def test_an_exported_program_is_a_plain_tuple_that_decodes_alike(wrapped: Any) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript, with which torch writes ONNX")
    program = torch.export.export(
        wrapped, (rows(3),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    same(program.module()(rows(50)), wrapped(rows(50)))


@pytest.mark.usefixtures("_torch_may_warn")
@pytest.mark.parametrize("dynamo", [False, True])
def test_torch_itself_writes_it_as_onnx(wrapped: Any, dynamo: bool) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript, with which torch writes ONNX")
    onnxruntime = pytest.importorskip("onnxruntime")
    names, buffer = ["decoded", "bottom_mask", "gap_mask"], io.BytesIO()
    torch.onnx.export(
        wrapped,
        (rows(3),),
        buffer,
        dynamo=dynamo,
        external_data=False,
        input_names=["x"],
        output_names=names,
        dynamic_axes={name: {0: "batch"} for name in ["x", *names]},
    )
    session = onnxruntime.InferenceSession(buffer.getvalue())
    found = session.run(names, {"x": rows(50).numpy()})
    with torch.no_grad():
        for one, other in zip(found, wrapped(rows(50)), strict=True):
            np.testing.assert_allclose(one, other.numpy(), rtol=1e-4)
