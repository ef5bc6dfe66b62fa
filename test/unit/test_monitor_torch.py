"""The monitors and the event log on torch tensors: the same as on numpy's arrays."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.errors import ArrayError
from zeroproof_ros.monitor import SCMMonitor, StrictInferenceMonitor, event_line

torch = pytest.importorskip("torch", reason="torch, the other array library of this test")

BOTTOM = np.array([[1, 0], [0, 0], [1, 1], [0, 0]], dtype=bool)
GAP = np.array([0, 1, 1, 0], dtype=bool)
CODES = np.array([[3, 0], [0, 0], [1, 2], [0, 0]])


def updates(codes: Any) -> list[dict[str, Any]]:
    fault = np.isin(CODES, (1, 3))
    return [
        {"bottom_mask": BOTTOM[:, 0]},
        {"bottom_mask": BOTTOM, "gap_mask": GAP},
        {"bottom_mask": BOTTOM, "gap_mask": GAP[:, None], "bottom_provenance": codes},
        {"bottom_mask": BOTTOM, "fault_mask": fault, "semantic_bottom_mask": CODES > 1},
        {"bottom_mask": BOTTOM[:0], "gap_mask": GAP[:0]},
    ]


@pytest.mark.parametrize("code_dtype", ["int64", "int32", "uint8"])
def test_tensors_count_like_arrays(code_dtype: str) -> None:
    states, events = [], []
    for convert in (np.asarray, torch.tensor):
        told: list[Any] = []
        monitor = StrictInferenceMonitor(
            "some", event_logger=told.append, acceptance_rate_drift_threshold=0.1
        )
        for update in updates(CODES.astype(code_dtype)):
            monitor.update(**{name: convert(m) for name, m in update.items()})
        states.append(repr(monitor.export_state(include_histograms=True)))
        events.append(told)
    assert states[0] == states[1]
    assert events[0] == events[1]
    assert {"bottom-trigger", "gap-trigger", "acceptance-rate-drift"} <= {
        event["event"] for event in events[1]
    }


def test_the_older_monitor_counts_tensors() -> None:
    monitor = SCMMonitor()
    monitor.update(torch.tensor(BOTTOM), torch.tensor(GAP))
    assert monitor.report() == {
        "coverage": 3 / 8,
        "bottom_rate": 3 / 8,
        "gap_rate": 2 / 8,
        "total_predictions": 8,
    }


def test_masks_of_a_computation_with_gradients_are_counted() -> None:
    q = torch.tensor([1.0, 0.0], requires_grad=True)
    monitor = StrictInferenceMonitor()
    monitor.update(q.abs() < 0.5)
    assert monitor.rates()["bottom_rate"] == 0.5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="a CUDA device, where the masks lie")
def test_masks_on_a_cuda_device_are_counted() -> None:
    monitor = StrictInferenceMonitor()
    monitor.update(torch.tensor(BOTTOM, device="cuda"), torch.tensor(GAP, device="cuda"))
    assert (monitor.n_bottom, monitor.n_gap) == (3, 2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "uint8"])
def test_tensors_that_are_not_bool_are_refused(dtype: str) -> None:
    with pytest.raises(ArrayError, match=r"bottom_mask .*(expected bool|numpy can not read)"):
        StrictInferenceMonitor().update(torch.zeros(2, dtype=getattr(torch, dtype)))


def test_a_tensor_with_a_gradient_is_refused_by_name() -> None:
    with pytest.raises(ArrayError, match="bottom_mask is Tensor that numpy can not read"):
        StrictInferenceMonitor().update(torch.ones(2, requires_grad=True))


def test_tensors_are_written_as_lists() -> None:
    line = event_line(
        {
            "scalar": torch.tensor(float("nan")),
            "matrix": torch.tensor([[1.0, float("inf")]], requires_grad=True),
            "narrow": torch.tensor([0.5], dtype=torch.bfloat16),
            "mask": torch.tensor([True, False]),
        }
    )
    assert json.loads(line, parse_constant=pytest.fail) == {
        "scalar": None,
        "matrix": [[1.0, None]],
        "narrow": [0.5],
        "mask": [True, False],
    }
