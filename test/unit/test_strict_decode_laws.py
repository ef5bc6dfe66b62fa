"""Laws of the strict decode over all shapes, dtypes and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zeroproof_ros.contract import (
    BottomProvenance,
    InferenceConfig,
    SplitMasksResult,
    adopt_masks,
    strict_inference,
)

WIDTHS = {"float64": 64, "float32": 32, "float16": 16}
INFER, TRAIN = 2.0**-6, 2.0**-4
EDGES = [INFER, -INFER, TRAIN, -TRAIN, 0.0, -0.0, np.inf, -np.inf, np.nan, 6e4, 2.0**-7]


def values(width: int) -> st.SearchStrategy[float]:
    edges = st.sampled_from([v for e in EDGES for v in _with_neighbours(e, width)])
    return edges | st.floats(width=width) | st.floats(-2, 2, width=width)


def _with_neighbours(edge: float, width: int) -> list[float]:
    dtype = np.dtype(f"f{width // 8}").type
    return [float(np.nextafter(dtype(edge), dtype(towards))) for towards in (edge, -9, 9)]


@st.composite
def pairs(draw: st.DrawFn, dtypes: tuple[str, ...] = tuple(WIDTHS)) -> tuple[Any, Any]:
    """(P, Q) of one dtype in each of the shapes the contract takes."""
    dtype = draw(st.sampled_from(dtypes))
    n, k = draw(st.integers(0, 5)), draw(st.integers(1, 3))
    p, q = draw(st.sampled_from([((n,), (n,)), ((n, k), (n,)), ((n, k), (n, 1)), ((n, k), (n, k))]))
    elements = values(WIDTHS[dtype])
    return tuple(draw(hnp.arrays(dtype, shape, elements=elements)) for shape in (p, q))


configs = st.builds(
    InferenceConfig,
    tau_infer=st.sampled_from([INFER, 1e-3, 0.02]),
    tau_train=st.none() | st.sampled_from([TRAIN, 0.05, 1.0]),
    provenance=st.just("experimental"),
)


def spread(mask: Any, like: Any) -> Any:
    """A mask of the shape of Q, for each entry of P."""
    return np.broadcast_to(mask if mask.ndim == like.ndim else mask[:, None], like.shape)


def split(P: Any, Q: Any, config: InferenceConfig) -> SplitMasksResult:
    result = strict_inference(P, Q, config)
    assert isinstance(result, SplitMasksResult)
    return result


@given(pairs(), configs)
def test_masks_are_what_the_definition_says(pair: tuple[Any, Any], config: InferenceConfig) -> None:
    P, Q = pair
    result = split(P, Q, config)
    Q64 = Q.astype(np.float64)
    with np.errstate(all="ignore"):
        quotient = P / (Q if P.ndim == Q.ndim else Q[:, None])
    small = np.isfinite(Q64) & (np.abs(Q64) < config.tau_infer)
    lost = ~np.isfinite(P) | (~np.isfinite(quotient) & ~spread(small, P))
    if P.shape != Q.shape:
        lost = lost.any(axis=1).reshape(Q.shape)
    fault = lost | ~np.isfinite(Q64)
    np.testing.assert_array_equal(result.fault_mask, fault)
    np.testing.assert_array_equal(result.semantic_bottom_mask, small)
    np.testing.assert_array_equal(result.bottom_mask, fault | small)
    gap = ~(fault | small) & (np.abs(Q64) < (config.tau_train or 0.0))
    np.testing.assert_array_equal(result.gap_mask, gap)
    accepted = ~spread(result.bottom_mask, P)
    np.testing.assert_array_equal(result.decoded[accepted], quotient[accepted])


@given(pairs(), configs)
def test_decoded_is_nan_exactly_at_bottom(pair: tuple[Any, Any], config: InferenceConfig) -> None:
    P, _ = pair
    decoded, bottom, gap = strict_inference(*pair, config)
    np.testing.assert_array_equal(np.isnan(decoded), spread(bottom, P))
    assert np.isfinite(decoded[~spread(bottom, P)]).all()
    assert not (bottom & gap).any()


@given(pairs(), configs)
def test_shapes_and_dtypes_are_those_of_the_pair(
    pair: tuple[Any, Any], config: InferenceConfig
) -> None:
    P, Q = pair
    result = split(P, Q, config)
    assert result.decoded.shape == P.shape
    assert result.decoded.dtype == P.dtype
    for mask in (result.bottom_mask, result.gap_mask, result.fault_mask):
        assert mask.shape == Q.shape
        assert mask.dtype == np.bool_
    assert result.semantic_bottom_mask.shape == Q.shape


@given(pairs(("float16", "float32")), configs)
def test_a_denominator_gives_the_same_masks_in_every_dtype(
    pair: tuple[Any, Any], config: InferenceConfig
) -> None:
    Q = pair[1]
    ones = np.ones(Q.shape)
    narrow = split(ones.astype(Q.dtype), Q, config)
    wide = split(ones, Q.astype(np.float64), config)
    np.testing.assert_array_equal(narrow.semantic_bottom_mask, wide.semantic_bottom_mask)
    # 1/Q of the smallest Q overflows in a narrow dtype only; no threshold here lets one through
    np.testing.assert_array_equal(narrow.bottom_mask, wide.bottom_mask)
    np.testing.assert_array_equal(narrow.gap_mask, wide.gap_mask)


@given(pairs(), configs)
def test_a_row_is_decoded_the_same_alone_and_among_others(
    pair: tuple[Any, Any], config: InferenceConfig
) -> None:
    P, Q = pair
    together = split(P, Q, config)
    for i in range(len(P)):
        alone = split(P[i : i + 1], Q[i : i + 1], config)
        np.testing.assert_array_equal(alone.decoded[0], together.decoded[i])
        np.testing.assert_array_equal(alone.bottom_mask[0], together.bottom_mask[i])
        np.testing.assert_array_equal(alone.gap_mask[0], together.gap_mask[i])


@given(pairs(), configs)
def test_the_pair_itself_is_left_alone(pair: tuple[Any, Any], config: InferenceConfig) -> None:
    before = [array.copy() for array in pair]
    for array in pair:
        array.flags.writeable = False
    strict_inference(*pair, config)
    for array, copy in zip(pair, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@given(pairs(), configs)
def test_both_representations_of_provenance_say_the_same(
    pair: tuple[Any, Any], config: InferenceConfig
) -> None:
    masks = split(*pair, config)
    codes = strict_inference(
        *pair,
        InferenceConfig(config.tau_infer, config.tau_train, "experimental", "bottom_provenance"),
    ).bottom_provenance  # type: ignore[attr-defined]
    fault, semantic = masks.fault_mask, masks.semantic_bottom_mask
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes == BottomProvenance.FINITE, ~(fault | semantic))
    np.testing.assert_array_equal(codes == BottomProvenance.FAULT, fault & ~semantic)
    np.testing.assert_array_equal(codes == BottomProvenance.SEMANTIC, semantic & ~fault)
    np.testing.assert_array_equal(codes == BottomProvenance.MIXED, fault & semantic)


@given(pairs(), configs)
@pytest.mark.filterwarnings("error")
def test_adopting_the_masks_of_a_decode_changes_nothing_but_the_reason(
    pair: tuple[Any, Any], config: InferenceConfig
) -> None:
    decoded, bottom, gap = strict_inference(*pair, config)
    adopted = adopt_masks(decoded, bottom, gap)
    np.testing.assert_array_equal(adopted.decoded, decoded)
    np.testing.assert_array_equal(adopted.bottom_mask, bottom)
    np.testing.assert_array_equal(adopted.gap_mask, gap)
    np.testing.assert_array_equal(adopted.semantic_bottom_mask, bottom)
    assert not adopted.fault_mask.any()
