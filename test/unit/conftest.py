"""Bundles made for the tests: real graphs in real folders, run by ONNX Runtime."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import settings

from zeroproof_ros.bundle import Bundle, GraphKind, load_bundle, write_bundle
from zeroproof_ros.contract import InferenceConfig
from zeroproof_ros.kinematics import JointLimits, Planar2R

ROOT = Path(__file__).parents[2]

# A first example that loads a bundle may take long; time is not what these tests are about.
settings.register_profile("core", deadline=None)
settings.load_profile("core")

Block = dict[str, Any]
PROJECTIVE = "float[batch, 2] numerator, float[batch] denominator"
STRICT = "float[batch, 2] decoded, bool[batch] bottom_mask, bool[batch] gap_mask"


@pytest.fixture(scope="session", params=["numpy", "torch"])
def asarray(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Makes an array of each library from numbers; `numpy.asarray` is the way back."""
    if request.param == "numpy":
        return np.array
    torch = pytest.importorskip("torch", reason="torch, the other array library of this test")
    return lambda values: torch.tensor(np.array(values))


@pytest.fixture(scope="session")
def exact_folder() -> Path:
    """The folder of the bundle with the exact model of the shipped robot."""
    return ROOT / "test" / "bundles" / "planar_2r"


@pytest.fixture(scope="session")
def robot_file() -> Path:
    """The robot file that the exact bundle was made from."""
    return ROOT / "config" / "robots" / "planar_2r.yaml"


@pytest.fixture
def block(robot_file: Path) -> Block:
    """The deployment block of the shipped robot, to be changed at will."""
    loaded: Block = yaml.safe_load(robot_file.read_text("utf-8"))
    return loaded


@pytest.fixture(scope="session")
def exact_model(exact_folder: Path) -> Bundle:
    """The exact bundle, loaded."""
    return load_bundle(exact_folder)


@pytest.fixture
def good(exact_folder: Path, tmp_path: Path) -> Path:
    """A copy of the exact bundle that a test may spoil."""
    return Path(shutil.copytree(exact_folder, tmp_path / "good"))


@pytest.fixture
def edit(good: Path) -> Callable[..., Path]:
    """Replaces keys of the metadata of `good`; a value of `...` removes the key."""

    def apply(**changes: Any) -> Path:
        path = good / "metadata.json"
        metadata = {**json.loads(path.read_text("utf-8")), **changes}
        kept = {key: value for key, value in metadata.items() if value is not ...}
        path.write_text(json.dumps(kept), encoding="utf-8")
        return good

    return apply


@pytest.fixture(scope="session")
def onnx() -> Any:
    """The onnx package, which only makes models: a robot does not have it."""
    return pytest.importorskip("onnx", reason="onnx, which builds the models of this test")


@pytest.fixture(scope="session")
def graph(onnx: Any) -> Callable[..., bytes]:
    """Builds a checked model from the text of its nodes, in onnx.parser's language."""
    from onnx import checker, parser

    def build(
        nodes: str,
        *,
        outputs: str = PROJECTIVE,
        constants: str = "",
        inputs: str = "float[batch, 4] input_0",
    ) -> bytes:
        model = parser.parse_model(
            f'<ir_version: 9, opset_import: ["" : 18]>\n'
            f"model ({inputs}) => ({outputs}) {f'<{constants}>' if constants else ''}\n"
            f"{{ {nodes} }}"
        )
        checker.check_model(model)
        return bytes(model.SerializeToString())

    return build


@pytest.fixture(scope="session")
def save_weights_outside(onnx: Any) -> Callable[[bytes, Path], None]:
    """Writes a model as zeroproofml 0.5.1 does: all its weights in `model.onnx.data` beside it."""
    from onnx import numpy_helper

    def save(content: bytes, path: Path) -> None:
        model = onnx.load_model_from_string(content)
        for tensor in model.graph.initializer:  # only raw bytes are moved out
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
        onnx.save_model(
            model, path, save_as_external_data=True, location="model.onnx.data", size_threshold=0
        )
        assert (path.parent / "model.onnx.data").stat().st_size > 0

    return save


@pytest.fixture(scope="session")
def graph_bundle(
    graph: Callable[..., bytes], robot_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Bundle]:
    """Writes and loads a bundle around a graph given as text."""

    def build(nodes: str, *, deployment: Mapping[str, Any] | None = None, **kwargs: Any) -> Bundle:
        outputs = kwargs.get("outputs", PROJECTIVE)
        kind = GraphKind.STRICT if "decoded" in outputs else GraphKind.PROJECTIVE
        metadata = {
            "format": "zeroproofml_export_bundle",
            "format_version": 1,
            "input_names": ["input_0"],
            "output_names": list(kind.value),
            "scm_decoding_mode": "strict",
            "tau_infer": 0.02,
            "tau_train": 0.05,
            "deployment": deployment or yaml.safe_load(robot_file.read_text("utf-8")),
        }
        folder = tmp_path_factory.mktemp("graph") / "bundle"
        write_bundle(folder, graph(nodes, **kwargs), metadata)
        return load_bundle(folder)

    return build


@pytest.fixture(scope="session")
def exact_bundle(
    onnx: Any, robot_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Bundle]:
    """Writes and loads the exact model, of the shipped robot with other limits or thresholds."""
    from zeroproof_ros.training.exact_planar_2r import write_exact_bundle

    robot_block = yaml.safe_load(robot_file.read_text("utf-8"))

    def build(
        tau_infer: float = 0.02,
        tau_train: float | None = 0.05,
        kind: GraphKind = GraphKind.PROJECTIVE,
        **robot: Any,
    ) -> Bundle:
        block = copy.deepcopy(robot_block)
        block["robot"] |= robot
        folder = tmp_path_factory.mktemp("exact") / "bundle"
        write_exact_bundle(folder, block, InferenceConfig(tau_infer, tau_train), kind=kind)
        return load_bundle(folder)

    return build


# Closed-form inverse kinematics of the shipped robot with q2 >= 0, and det J as denominator. It
# takes the arc tangent of y / x, so it is right where x > 0 and wrong by half a turn elsewhere.
POSITION_MODEL = """
    theta1, theta2, x, y = Split <axis=1> (input_0, widths)
    xx = Mul(x, x)  yy = Mul(y, y)  rr = Add(xx, yy)
    rest = Sub(rr, squares)  c = Div(rest, twice_product)  elbow = Acos(c)  s = Sin(elbow)
    forearm_y = Mul(s, l2)  forearm_x = Mul(c, l2)  along = Add(forearm_x, l1)
    tool = Div(y, x)  tool_angle = Atan(tool)
    lean = Div(forearm_y, along)  lean_angle = Atan(lean)  shoulder = Sub(tool_angle, lean_angle)
    q = Concat <axis=1> (shoulder, elbow)
    det = Mul(s, product)  numerator = Mul(q, det)  denominator = Squeeze(det, axis)
"""
POSITION_CONSTANTS = """
    int64[4] widths = {1, 1, 1, 1}, int64[1] axis = {1}, float l1 = {1.0}, float l2 = {0.8},
    float squares = {1.64}, float product = {0.8}, float twice_product = {1.6}
"""


@pytest.fixture(scope="session")
def position_block(robot_file: Path) -> Block:
    """The shipped robot with joint positions for answers and tool positions for tasks."""
    loaded: Block = yaml.safe_load(robot_file.read_text("utf-8"))
    return loaded | {
        "features": ["theta1", "theta2", "x", "y"],
        "task_features": ["x", "y"],
        "outputs": ["theta1", "theta2"],
        "output_kind": "joint_position",
    }


@pytest.fixture(scope="session")
def position_bundle(graph_bundle: Callable[..., Bundle], position_block: Block) -> Bundle:
    """A bundle that answers joint positions."""
    return graph_bundle(POSITION_MODEL, constants=POSITION_CONSTANTS, deployment=position_block)


@pytest.fixture(scope="session")
def arm() -> Planar2R:
    """The shipped robot: links of 1.0 and 0.8 m, joints free by half a turn."""
    return Planar2R([1.0, 0.8], JointLimits.symmetric([np.pi, np.pi], [3.0, 3.0]))
