"""Inference over a loader: every row once, in order, with the coverage of all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from masked_answers import answers, lost

from zeroproof_ros.bundle import Bundle
from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.errors import ArrayError, ModelRunError
from zeroproof_ros.pipeline import batch_inference

AsArray = Callable[[Any], Any]
CONFIG = InferenceConfig(tau_infer=0.5, tau_train=1.0)


def projective(x: Any) -> tuple[Any, Any]:
    """P/Q = x0/x1, x1/x1."""
    return x, x[:, 1]


def table(n: int) -> Any:
    rng = np.random.default_rng(n)
    return np.round(rng.uniform(-2, 2, (n, 2)), 1).astype(np.float32)


def cut(x: Any, size: int, wrap: Callable[[Any], Any] = lambda batch: batch) -> list[Any]:
    return [wrap(x[i : i + size]) for i in range(0, len(x), size)]


@pytest.mark.parametrize("wrap", [lambda b: b, lambda b: (b,), lambda b: [b]], ids=["", "()", "[]"])
@given(n=st.integers(1, 12), size=st.integers(1, 5))
def test_the_batches_decode_as_the_whole_does(
    asarray: AsArray, wrap: Callable[[Any], Any], n: int, size: int
) -> None:
    x = asarray(table(n))
    found = batch_inference(projective, cut(x, size, wrap), CONFIG)
    outputs, bottom_masks, gap_masks, coverage, gap_rate = found
    decoded, bottom, gap = map(np.asarray, strict_inference(*projective(x), CONFIG))
    np.testing.assert_array_equal(np.asarray(outputs), decoded)
    np.testing.assert_array_equal(np.asarray(bottom_masks), bottom)
    np.testing.assert_array_equal(np.asarray(gap_masks), gap)
    assert coverage == pytest.approx(1 - bottom.mean())
    assert gap_rate == pytest.approx(gap.mean())
    assert [found.outputs is outputs, found.coverage] == [True, coverage]


@given(answers().filter(lambda answer: len(answer[0]) > 0))
def test_a_model_that_decided_by_itself_is_brought_under_the_contract(
    asarray: AsArray, answer: tuple[Any, ...]
) -> None:
    decoded, bottom, _ = answer
    masked = tuple(map(asarray, answer))
    found = batch_inference(lambda _: masked, [asarray(decoded)], CONFIG)
    expected = bottom | lost(decoded, bottom)
    np.testing.assert_array_equal(np.asarray(found.bottom_masks), expected)
    assert not (np.asarray(found.gap_masks) & expected).any()
    assert found.coverage == pytest.approx(1 - expected.mean())


def test_a_strict_result_is_a_model_s_answer(asarray: AsArray) -> None:
    x = asarray(table(4))
    other = InferenceConfig(tau_infer=1.5)
    found = batch_inference(lambda b: strict_inference(*projective(b), other), [x], CONFIG)
    expected = strict_inference(*projective(x), other)
    assert found.bottom_masks.tolist() == expected.bottom_mask.tolist()


def test_a_bundle_runs_over_batches(exact_model: Bundle) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (7, 4))
    found = batch_inference(exact_model.run, cut(x, 3), exact_model.config)
    expected = exact_model.run(x)
    np.testing.assert_array_equal(found.bottom_masks, expected.bottom_mask)
    np.testing.assert_allclose(found.outputs, expected.decoded, rtol=1e-5)


def test_a_batch_without_rows_adds_none(asarray: AsArray) -> None:
    x = table(3)
    found = batch_inference(projective, [asarray(x[:0]), asarray(x)], CONFIG)
    assert found.outputs.shape == (3, 2)


@pytest.mark.parametrize("loader", [[], iter([])], ids=["list", "iterator"])
def test_no_batch_is_refused(loader: Any) -> None:
    with pytest.raises(ArrayError, match="data_loader gave no batch"):
        batch_inference(projective, loader, CONFIG)


def test_no_row_is_refused(asarray: AsArray) -> None:
    with pytest.raises(ArrayError, match="no entry, so no share is known"):
        batch_inference(projective, [asarray(table(0))], CONFIG)


def test_a_table_is_no_loader(asarray: AsArray) -> None:
    with pytest.raises(ArrayError, match=r"data_loader is .*, expected batches; give \[x\]"):
        batch_inference(projective, asarray(table(3)), CONFIG)


@pytest.mark.parametrize(
    ("batch", "told"),
    [
        ((np.ones((2, 2)), np.ones(2)), "2 things"),
        ((), "0 things"),
        ([[1.0, 2.0], [3.0, 4.0]], "2 things"),
        ({"x": np.ones(2)}, "dict"),
        (np.float64(1.0), "float64"),
        (1.0, "float"),
        (None, "NoneType"),
    ],
)
def test_a_batch_that_is_not_one_array_is_refused(batch: Any, told: str) -> None:
    with pytest.raises(ArrayError, match=f"a batch is {told}, expected one array"):
        batch_inference(projective, [batch], CONFIG)


@pytest.mark.parametrize(
    "answer",
    [None, 1.0, (np.ones(2),), (np.ones(2),) * 4, np.ones((2, 2)), np.ones((3, 2)), object()],
    ids=["None", "number", "P", "four", "table of 2", "table of 3", "object"],
)
def test_an_answer_of_another_form_is_refused(answer: Any) -> None:
    with pytest.raises(ModelRunError, match=r"the model answered .*, expected \(P, Q\) or"):
        batch_inference(lambda _: answer, [np.ones((2, 2))], CONFIG)


def test_an_answer_with_other_rows_is_refused(asarray: AsArray) -> None:
    x = asarray(table(4))
    with pytest.raises(ModelRunError, match="the model answered 3 rows for 4"):
        batch_inference(lambda b: projective(b[1:]), [x], CONFIG)


def test_answers_of_different_widths_are_refused(asarray: AsArray) -> None:
    x = asarray(table(4))
    widths = iter((1, 2))
    with pytest.raises(ModelRunError, match=r"decoded has rows of the shapes \[\(1,\), \(2,\)\]"):
        batch_inference(lambda b: (b[:, : next(widths)], b[:, 1]), [x, x], CONFIG)


def test_masks_that_are_no_masks_are_refused(asarray: AsArray) -> None:
    x = asarray(table(4))
    with pytest.raises(ArrayError, match="bottom has dtype"):
        batch_inference(lambda b: (b, b[:, 0], b[:, 0]), [x], CONFIG)
