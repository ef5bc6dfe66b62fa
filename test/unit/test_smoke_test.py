"""The smoke test: passes what belongs together, names the first row that does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import GraphKind
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.errors import (
    ArrayError,
    BundlePathError,
    ConfigError,
    ProviderUnavailableError,
    SmokeTestError,
)
from zeroproof_ros.runtimes.onnx import CPU

torch = pytest.importorskip("torch", reason="torch, in which the compared models are")
pytest.importorskip("onnx", reason="onnx, the format they are exported to")
pytest.importorskip("onnxscript", reason="onnxscript, with which torch writes ONNX")

from torch_models import Columns, learned, rows

from zeroproof_ros.training.export import export_bundle
from zeroproof_ros.training.smoke import SmokeTest, run_bundle_reference_smoke_test
from zeroproof_ros.training.strict_graph import KINDS
from zeroproof_ros.training.wrapper import SCMInferenceWrapper

CONFIG = InferenceConfig(tau_infer=0.05, tau_train=0.25)
Build = Callable[..., Path]


def wrap(model: Any, config: InferenceConfig = CONFIG) -> Any:
    return SCMInferenceWrapper(model, config).eval()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Exports a model once and answers the folder."""
    written: dict[Any, Path] = {}

    def build(name: str, kind: GraphKind = GraphKind.STRICT) -> Path:
        if (name, kind) not in written:
            folder = tmp_path_factory.mktemp("smoke") / "bundle"
            model = learned() if name == "learned" else Columns(name)
            export_bundle(wrap(model), folder, example_inputs=(rows(1),), kind=kind)
            written[name, kind] = folder
        return written[name, kind]

    return build


@pytest.mark.parametrize("kind", KINDS)
def test_a_bundle_passes_with_its_own_model(bundle: Build, kind: GraphKind) -> None:
    """As documented."""
    bundle_dir, wrapped, x_smoke = bundle("learned", kind), wrap(learned()), rows(300)
    record = run_bundle_reference_smoke_test(str(bundle_dir), wrapped, (x_smoke,))
    assert record == SmokeTest(300, record.largest_difference, 0, (CPU,))
    assert 0 < record.largest_difference < 1e-3


SHAPES = ["(N,) (N,)", "(N, K) (N,)", "(N, K) (N, 1)", "(N, K) (N, K)"]


@pytest.mark.parametrize("shape", SHAPES)
def test_masks_that_need_no_tolerance_get_none(bundle: Build, shape: str) -> None:
    q = torch.tensor([0.05, 0.25, 0.0, np.nan, np.inf, 1.0, 1e-40])
    x = torch.stack([torch.ones_like(q), q, q, q.flip(0)], dim=1)
    wrapped = wrap(Columns(shape))
    record = run_bundle_reference_smoke_test(bundle(shape), wrapped, (x,), rtol=0, atol=0)
    assert record == SmokeTest(7, 0.0, 0, (CPU,))


class Shifted(torch.nn.Module):
    """`Columns` whose P and Q are off by a little."""

    def __init__(self, shape: str, p: float = 0.0, q: float = 0.0) -> None:
        super().__init__()
        self.columns, self.p, self.q = Columns(shape), p, q

    def forward(self, x: Any) -> Any:
        P, Q = self.columns(x)
        return P + self.p, Q + self.q


def smoke(folder: Path, model: Any, table: list[list[float]], **tolerance: float) -> SmokeTest:
    x = torch.tensor(table, dtype=torch.float64).float()
    return run_bundle_reference_smoke_test(folder, wrap(model), (x,), **tolerance)


FAR = [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("q", "shift", "mask", "found", "expected"),
    [
        (0.049, 2e-3, "bottom_mask", True, False),
        (0.051, -2e-3, "bottom_mask", False, True),
        (0.249, 2e-3, "gap_mask", True, False),
        (0.251, -2e-3, "gap_mask", False, True),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_mask_flips_only_next_to_its_threshold(
    bundle: Build, sign: int, q: float, shift: float, mask: str, found: bool, expected: bool
) -> None:
    folder, shape = bundle("(N,) (N,)"), "(N,) (N,)"
    model, table = Shifted(shape, q=sign * shift), [FAR, FAR, [0.0, sign * q, 0, 0]]
    assert smoke(folder, model, table, atol=3e-3).flipped == (2 if mask == "bottom_mask" else 1)
    message = f"row 2: {mask} is {found} in the bundle and {expected} in the model, where .Q. is"
    with pytest.raises(SmokeTestError, match=message) as caught:
        smoke(folder, model, table, rtol=1e-3, atol=1e-4)
    assert caught.value.found == found
    assert caught.value.path == folder


@pytest.mark.parametrize(
    ("shift", "wrong"),
    [({"p": 1e-4}, None), ({"p": 3e-4}, 0), ({"q": 1e-4}, None), ({"q": 3e-4}, 1)],
)
@pytest.mark.parametrize("q", [0.3, 1.0, -5.0])
def test_a_value_may_differ_by_what_p_and_q_may(
    bundle: Build, q: float, shift: dict[str, float], wrong: int | None
) -> None:
    folder, shape = bundle("(N,) (N,)"), "(N,) (N,)"
    arguments = folder, Shifted(shape, **shift), [[0.0, q, 0, 0], [70.0, q, 0, 0]]
    if wrong is None:
        record = smoke(*arguments, rtol=0, atol=2e-4)
        assert record.largest_difference > 0
    else:
        with pytest.raises(SmokeTestError, match=f"row {wrong}: decoded is .* in the bundle"):
            smoke(*arguments, rtol=0, atol=2e-4)


@pytest.mark.parametrize("shape", SHAPES[1:])
def test_the_first_row_is_named_whatever_differs_there(bundle: Build, shape: str) -> None:
    class Worse(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            P, Q = Columns(shape)(x)
            P, Q = P.clone(), Q.clone()
            P[3:, 1] += 1.0
            Q[5:] = 0.0
            return P, Q

    table = [FAR] * 8
    message = r"row 3: decoded is \[1. 1.\] in the bundle and \[1. 2.\] in the model.*5 of 8 rows"
    with pytest.raises(SmokeTestError, match=message):
        smoke(bundle(shape), Worse(), table)


def test_a_fault_is_never_next_to_a_threshold(bundle: Build) -> None:
    shape = "(N,) (N,)"
    for shift in ({"q": np.inf}, {"q": np.nan}, {"p": np.inf}):
        with pytest.raises(SmokeTestError, match="row 0: bottom_mask is False in the bundle"):
            smoke(bundle(shape), Shifted(shape, **shift), [FAR], rtol=0.1, atol=0.1)


def test_other_thresholds_are_refused_whatever_the_rows_are(bundle: Build) -> None:
    wrapped = wrap(learned(), InferenceConfig(0.05, 0.26))
    with pytest.raises(SmokeTestError, match=r"thresholds \(0.05, 0.25\), the model \(0.05, 0.26"):
        run_bundle_reference_smoke_test(bundle("learned"), wrapped, (rows(1),))


def test_another_shape_is_refused(bundle: Build) -> None:
    with pytest.raises(SmokeTestError, match=r"bottom_mask has shape \(1, 1\) in the bundle, \(1,"):
        smoke(bundle("(N, K) (N, 1)"), Columns("(N, K) (N,)"), [FAR])


def test_another_model_is_refused(bundle: Build) -> None:
    model = learned()
    with torch.no_grad():
        model.numerator.bias += 0.01
    with pytest.raises(SmokeTestError, match="row 0: decoded is"):
        run_bundle_reference_smoke_test(bundle("learned"), wrap(model), (rows(),))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"wrapped": wrap(learned()).train()}, ConfigError, "is in training mode"),
        ({"smoke_inputs": (rows(0),)}, ArrayError, "of at least one row"),
        ({"smoke_inputs": ()}, ArrayError, "expected"),
        ({"providers": ("Nowhere",)}, ProviderUnavailableError, "Nowhere was asked for"),
    ],
)
def test_what_can_not_be_compared_is_refused(
    bundle: Build, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"wrapped": wrap(learned()), "smoke_inputs": (rows(1),)} | change
    with pytest.raises(error, match=message):
        run_bundle_reference_smoke_test(bundle("learned"), **arguments)


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundlePathError, match="metadata.json"):
        run_bundle_reference_smoke_test(tmp_path, wrap(learned()), (rows(1),))
