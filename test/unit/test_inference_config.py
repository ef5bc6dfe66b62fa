"""The thresholds of a strict decode."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import ConfigError, ThresholdError

NO_THRESHOLDS = [math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 0, True, "1e-3", None, 1j, [0.1]]


@pytest.mark.parametrize("value", NO_THRESHOLDS, ids=repr)
def test_tau_infer_is_a_finite_number_above_zero(value: Any) -> None:
    with pytest.raises(ThresholdError, match="tau_infer is .*, expected a finite number > 0"):
        InferenceConfig(tau_infer=value)


@pytest.mark.parametrize("value", [v for v in NO_THRESHOLDS if v is not None], ids=repr)
def test_tau_train_is_a_finite_number_above_zero_or_none(value: Any) -> None:
    with pytest.raises(ThresholdError, match="tau_train is .*, expected a finite number > 0"):
        InferenceConfig(tau_infer=1e-6, tau_train=value)


@pytest.mark.parametrize("value", [10**400, Fraction(10**400)], ids=["int", "fraction"])
def test_an_integer_beyond_every_float_is_refused_like_infinity(value: Any) -> None:
    with pytest.raises(ThresholdError, match="tau_infer is .*, expected a finite number > 0"):
        InferenceConfig(tau_infer=value)


def test_a_refused_threshold_is_on_the_error() -> None:
    with pytest.raises(ThresholdError) as caught:
        InferenceConfig(tau_infer="1e-3")  # type: ignore[arg-type]
    assert caught.value.found == "1e-3"
    assert caught.value.expected == "a finite number > 0"


def test_tau_train_below_tau_infer_is_refused() -> None:
    with pytest.raises(ThresholdError, match=r"tau_train is 0.01, below tau_infer 0.02"):
        InferenceConfig(tau_infer=0.02, tau_train=0.01)


def test_equal_thresholds_are_allowed_and_leave_no_gap() -> None:
    assert InferenceConfig(0.02, 0.02).tau_train == 0.02


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), Fraction(1, 2), 0.5])
def test_any_real_number_becomes_a_python_float(value: Any) -> None:
    config = InferenceConfig(value, value)
    assert type(config.tau_infer) is float
    assert type(config.tau_train) is float
    assert config.tau_infer == 0.5


@pytest.mark.parametrize("field", ["provenance", "provenance_representation"])
def test_an_unknown_provenance_setting_is_refused_by_name(field: str) -> None:
    with pytest.raises(ConfigError, match=f"{field} is 'on', expected one of "):
        InferenceConfig(**{field: "on"})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["tau_infer", "tau_train", "provenance"])
def test_a_config_can_not_be_changed(field: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(InferenceConfig(), field, -1.0)


def test_replacing_a_field_validates_again() -> None:
    with pytest.raises(ThresholdError, match="tau_infer is -1.0"):
        dataclasses.replace(InferenceConfig(), tau_infer=-1.0)
