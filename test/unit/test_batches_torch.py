"""A module of torch runs in evaluation mode, without gradients, and gets its modes back."""

from __future__ import annotations

from typing import Any

import pytest

from zeroproof_ros.contract import InferenceConfig, strict_inference
from zeroproof_ros.pipeline import batch_inference

torch = pytest.importorskip("torch", reason="torch, whose modules have modes")

CONFIG = InferenceConfig(tau_infer=0.5, tau_train=1.0)


class Model(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Answers (P, Q) while training like a wrapper, the decoded three otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = torch.nn.Linear(2, 2)
        self.head = torch.nn.Linear(2, 3)
        self.seen: list[tuple[bool, bool]] = []

    def forward(self, x: Any) -> Any:
        y = self.head(self.trunk(x))
        self.seen.append((self.training, y.requires_grad))
        return (y[:, :2], y[:, 2]) if self.training else strict_inference(y[:, :2], y[:, 2], CONFIG)


class Pairs(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, x: Any) -> Any:
        return x, x[:, 1]


def modes(module: Any) -> list[bool]:
    return [part.training for part in module.modules()]


@pytest.fixture
def model() -> Any:
    """A model that trains, but for its trunk."""
    found = Model().train()
    found.trunk.eval()
    return found


def test_it_is_evaluated_without_gradients_and_trains_on(model: Any) -> None:
    x = torch.ones(5, 2)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=2)
    found = batch_inference(model, loader, CONFIG)
    assert found.outputs.shape == (5, 2)
    assert model.seen == [(False, False)] * 3
    assert modes(model) == [True, False, True]
    assert model(x)[0].requires_grad


def test_its_modes_come_back_when_it_fails(model: Any) -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        batch_inference(model, [torch.ones(2, 3)], CONFIG)
    assert modes(model) == [True, False, True]
    assert torch.is_grad_enabled()


def test_a_module_in_evaluation_mode_stays_there(model: Any) -> None:
    batch_inference(model.eval(), [torch.ones(2, 2)], CONFIG)
    assert modes(model) == [False] * 3


def test_a_module_of_pairs_decodes_with_the_config() -> None:
    x = torch.tensor([[1.0, 2.0], [1.0, 0.6], [1.0, 0.1]])
    found = batch_inference(Pairs(), [x], CONFIG)
    assert found.bottom_masks.tolist() == [False, False, True]
    assert found.gap_masks.tolist() == [False, True, False]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_module_is_a_module() -> None:
    scripted = torch.jit.trace(Pairs().eval(), torch.ones(2, 2)).train()
    found = batch_inference(scripted, [torch.ones(3, 2)], CONFIG)
    assert found.coverage == 1.0
    assert scripted.training
