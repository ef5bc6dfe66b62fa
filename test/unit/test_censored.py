"""The censored decode: a side for every censored value, a value for everything in range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeroproof_ros.contract import CensoredClass, decode_strict_censored_3way, strict_inference
from zeroproof_ros.contract.config import InferenceConfig
from zeroproof_ros.errors import ArrayError, ThresholdError

AsArray = Callable[[Any], Any]
TAU = 2.0**-6
INF, NAN = np.inf, np.nan
BELOW, IN_RANGE, ABOVE, UNKNOWN = CensoredClass

# They overflow when divided; old versions of hypothesis take only what float32 holds.
HUGE, SMALL = float(np.float32(1e38)), float(np.float32(1e-5))
numbers = st.sampled_from([0.0, -0.0, TAU, -TAU, INF, -INF, NAN, HUGE, SMALL, 1.0]) | st.floats(
    width=32
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    n = draw(st.integers(0, 5))
    shapes = ((n,), (n,), (n, 2))
    return tuple(draw(hnp.arrays(np.float32, shape, elements=numbers)) for shape in shapes)


@given(pairs(), st.booleans())
def test_in_range_is_exactly_what_has_a_value(
    asarray: AsArray, pair: tuple[Any, Any, Any], with_logits: bool
) -> None:
    P, Q, logits = map(asarray, pair)
    decoded, bottom, class_id = map(
        np.asarray,
        decode_strict_censored_3way(
            P, Q, tau_infer=TAU, direction_logits=logits if with_logits else None
        ),
    )
    np.testing.assert_array_equal(class_id == IN_RANGE, ~bottom)
    np.testing.assert_array_equal(class_id == IN_RANGE, np.isfinite(decoded))
    assert class_id.dtype == np.int64
    assert set(class_id.tolist()) <= set(CensoredClass)


@given(pairs())
def test_values_and_bottoms_are_those_of_the_strict_decode(
    asarray: AsArray, pair: tuple[Any, Any, Any]
) -> None:
    P, Q = map(asarray, pair[:2])
    decoded, bottom, _ = decode_strict_censored_3way(P, Q, tau_infer=TAU)
    expected = strict_inference(P, Q, InferenceConfig(TAU))
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(expected.decoded))
    np.testing.assert_array_equal(np.asarray(bottom), np.asarray(expected.bottom_mask))


@given(pairs())
def test_without_logits_the_sign_of_a_finite_numerator_is_the_side(
    asarray: AsArray, pair: tuple[Any, Any, Any]
) -> None:
    P, Q, _ = pair
    class_id = decode_strict_censored_3way(asarray(P), asarray(Q), tau_infer=TAU).class_id
    censored = np.isfinite(P) & (np.abs(Q) < TAU)
    found = np.asarray(class_id)
    np.testing.assert_array_equal(found == BELOW, censored & (P < 0))
    np.testing.assert_array_equal(found == ABOVE, censored & (P > 0))


@given(pairs())
def test_the_larger_logit_is_the_side_of_a_small_denominator(
    asarray: AsArray, pair: tuple[Any, Any, Any]
) -> None:
    P, Q, logits = pair
    result = decode_strict_censored_3way(
        asarray(P), asarray(Q), tau_infer=TAU, direction_logits=asarray(logits)
    )
    censored = np.isfinite(logits).all(axis=1) & (np.abs(Q) < TAU)
    found = np.asarray(result.class_id)
    np.testing.assert_array_equal(found == BELOW, censored & (logits[:, 0] > logits[:, 1]))
    np.testing.assert_array_equal(found == ABOVE, censored & (logits[:, 1] > logits[:, 0]))


@pytest.mark.parametrize(
    ("P", "Q", "expected"),
    [
        (3.0, 1.0, IN_RANGE),
        (0.0, -1.0, IN_RANGE),
        (1.0, TAU, IN_RANGE),
        (1.0, np.nextafter(np.float32(TAU), np.float32(0)), ABOVE),
        (1.0, 0.0, ABOVE),
        (-1.0, 0.0, BELOW),
        (-1.0, -0.0, BELOW),
        (0.0, 0.0, UNKNOWN),
        (-0.0, 0.0, UNKNOWN),
        (NAN, 0.0, UNKNOWN),
        (-INF, 0.0, UNKNOWN),
        (NAN, 1.0, UNKNOWN),
        (1.0, NAN, UNKNOWN),
        (1.0, INF, UNKNOWN),
    ],
)
def test_single_cases(asarray: AsArray, P: float, Q: float, expected: CensoredClass) -> None:
    pair = asarray(np.float32([P])), asarray(np.float32([Q]))
    assert decode_strict_censored_3way(*pair, tau_infer=TAU).class_id.tolist() == [expected]


def test_a_quotient_that_overflows_is_not_in_range(asarray: AsArray) -> None:
    pair = asarray(np.float32([1e38])), asarray(np.float32([1e-5]))
    decoded, bottom, class_id = decode_strict_censored_3way(*pair, tau_infer=1e-6)
    assert np.isnan(np.asarray(decoded)).all()
    assert bottom.tolist() == [True]
    assert class_id.tolist() == [UNKNOWN]


def test_a_fault_has_no_side_whatever_the_logits_say(asarray: AsArray) -> None:
    class_id = decode_strict_censored_3way(
        asarray([NAN, NAN]),
        asarray([1.0, 0.0]),
        tau_infer=TAU,
        direction_logits=asarray([[0.0, 1.0], [0.0, 1.0]]),
    ).class_id
    # the second is censored, and the logits do not come from its numerator
    assert class_id.tolist() == [UNKNOWN, ABOVE]


def test_the_classes_have_the_codes_of_zeroproofml() -> None:
    assert (BELOW, IN_RANGE, ABOVE) == (0, 1, 2)


@pytest.mark.parametrize(("p", "q"), [((3, 1), (3, 1)), ((3, 1), (3,)), ((3, 2), (3,))])
def test_columns_are_refused(asarray: AsArray, p: tuple[int, ...], q: tuple[int, ...]) -> None:
    with pytest.raises(ArrayError, match=r"P has shape \(3, .\), expected \(N,\)"):
        decode_strict_censored_3way(asarray(np.ones(p)), asarray(np.ones(q)), tau_infer=TAU)


def test_a_column_of_denominators_is_refused(asarray: AsArray) -> None:
    P, Q = asarray(np.ones(3)), asarray(np.ones((3, 1)))
    with pytest.raises(ArrayError, match=r"Q has shape \(3, 1\), expected \(3,\)"):
        decode_strict_censored_3way(P, Q, tau_infer=TAU)


@pytest.mark.parametrize("shape", [(3,), (2, 2), (3, 3), (3, 1), (2, 3), ()])
def test_logits_of_another_shape_are_refused(asarray: AsArray, shape: tuple[int, ...]) -> None:
    one = asarray(np.ones(3))
    with pytest.raises(ArrayError, match=r"direction_logits have shape .*, expected \(3, 2\)"):
        decode_strict_censored_3way(
            one, one, tau_infer=TAU, direction_logits=asarray(np.ones(shape))
        )


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_integers_and_truth_values_are_refused(asarray: AsArray, dtype: str) -> None:
    one, whole = asarray(np.ones(1)), asarray(np.ones(1, dtype=dtype))
    with pytest.raises(ArrayError, match="P has dtype .*, expected real floating"):
        decode_strict_censored_3way(whole, one, tau_infer=TAU)
    logits = asarray(np.ones((1, 2), dtype=dtype))
    with pytest.raises(ArrayError, match="direction_logits has dtype .*, expected real floating"):
        decode_strict_censored_3way(one, one, tau_infer=TAU, direction_logits=logits)


def test_lists_are_refused(asarray: AsArray) -> None:
    one: Any = asarray(np.ones(1))
    with pytest.raises(ArrayError, match="P is list and Q is .*; wrap lists with numpy.asarray"):
        decode_strict_censored_3way([1.0], one, tau_infer=TAU)
    with pytest.raises(ArrayError, match="direction_logits is list"):
        decode_strict_censored_3way(one, one, tau_infer=TAU, direction_logits=[[0.0, 1.0]])


@pytest.mark.parametrize("tau", [0.0, -1.0, NAN, INF, None, True, "1e-6"])
def test_thresholds_are_checked_as_in_the_config(asarray: AsArray, tau: Any) -> None:
    one = asarray(np.ones(1))
    with pytest.raises(ThresholdError, match=r"tau_infer is .*, expected a finite number > 0"):
        decode_strict_censored_3way(one, one, tau_infer=tau)


def test_a_threshold_that_is_zero_in_the_dtype_of_q_is_refused(asarray: AsArray) -> None:
    one = asarray(np.ones(1, dtype=np.float32))
    with pytest.raises(ThresholdError, match="tau_infer 1e-50 is 0 in"):
        decode_strict_censored_3way(one, one, tau_infer=1e-50)
