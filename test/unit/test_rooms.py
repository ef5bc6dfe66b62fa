"""The rooms of the design, held by reading the imports of every module."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import zeroproof_ros

ROOT = Path(__file__).resolve().parents[2]
NAME = "zeroproof_ros"
PACKAGE = ROOT / NAME

RANKS = {
    "": 0,
    "errors": 0,
    "files": 0,
    "text": 0,
    "lazy": 0,
    "contract": 1,
    "kinematics": 2,
    "runtimes": 2,
    "monitor": 2,
    "bundle": 3,
    "pipeline": 4,
    "calibration": 4,
    "smoke": 5,
    "messages": 5,
    "training": 5,
    "report": 6,
    "bags": 7,
    "reference": 7,
    "nodes": 8,
    "cli": 9,
    # The public face: names from the rooms, under the paths of the ZeroProofML documents.
    "__main__": 10,
    "inference": 10,
    "losses": 10,
    "metrics": 10,
    "reference_robotics_deployment": 10,
    "utils": 10,
}

# What a robot, a bag reader and a test share: it knows nothing of ROS.
CORE = {room for room, rank in RANKS.items() if rank < RANKS["messages"]} | {"smoke", "report"}

# The faces that people meet first: they import without what a robot does without.
FACES = {"inference", "losses", "metrics", "reference_robotics_deployment", "utils"}

MESSAGES = {
    "builtin_interfaces", "diagnostic_msgs", "lifecycle_msgs", "rcl_interfaces",
    "rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs", "trajectory_msgs",
}  # fmt: skip

# What a room may import from elsewhere. A file named here has these besides those of its room.
LIBRARIES: dict[str, set[str]] = {
    "contract": {"numpy", "array_api_compat"},
    "kinematics": {"numpy", "scipy"},
    "runtimes": {"numpy"},
    "runtimes/onnx.py": {"onnxruntime"},
    "runtimes/torchscript.py": {"torch"},
    "monitor": {"numpy"},
    "bundle": {"numpy", "jsonschema", "yaml"},
    "pipeline": {"numpy"},
    "calibration": {"numpy"},
    # the picture belongs to the curves, whoever calibrates
    "calibration/plot.py": {"matplotlib"},
    "smoke": {"numpy"},
    "report": {"numpy"},
    "report/picture.py": {"matplotlib"},
    "messages": {"numpy", *MESSAGES},
    "training": {"numpy", "onnx", "torch", "yaml"},
    "training/trainer.py": {"rich"},  # the progress bar
    "bags": {"numpy", "rosbags", *MESSAGES},
    "bags/page/pictures.py": {"matplotlib"},
    "bags/workers.py": {"distributed"},
    "reference": {"yaml"},
    "nodes": {"numpy", "rclpy", "ament_index_python", "yaml", *MESSAGES},
    "cli": {"numpy", "rich", "matplotlib", "yaml", "ament_index_python"},
    "cli/bundle_facts.py": {"onnxruntime"},
}

# Import name to rosdep key, where they differ.
KEYS = {
    "jsonschema": "python3-jsonschema",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "onnxruntime": "python3-onnxruntime-pip",
    "rich": "python3-rich",
    "scipy": "python3-scipy",
    "yaml": "python3-yaml",
}

# What a robot does without, and why.
OPTIONAL = {
    "array_api_compat": "only for arrays that are not numpy's",
    "distributed": "only to evaluate recordings on a cluster",
    "onnx": "only to make a model",
    "rosbags": "only to evaluate recordings",
    "torch": "only to train, and for TorchScript models",
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The room of a module by its dotted name: the part that follows the package."""
    return module.partition(".")[2].partition(".")[0]


def module_name(path: Path) -> str:
    """The dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str, *, is_package: bool = False) -> Iterator[str]:
    """The dotted names that a module imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                above = parts[: len(parts) - node.level + is_package]
                base = ".".join([*above, *filter(None, [node.module])])
            # `from package import room` names the room only in its list of names.
            yield from ([f"{base}.{n.name}" for n in node.names] if base == NAME else [base])


def violations(source: str, file: str) -> list[str]:
    """Every rule that the source of `file` (a path inside the package) breaks."""
    module = module_name(PACKAGE / file)
    room = room_of(module)
    if room not in RANKS:
        return [f"{file}: room {room!r} has no rank"]
    allowed = LIBRARIES.get(room, set()) | LIBRARIES.get(file, set())
    found = []
    for name in imports(source, module, is_package=file.endswith("__init__.py")):
        top = name.partition(".")[0]
        if top == NAME:
            other = room_of(name)
            # An attribute of the package itself, as in `from zeroproof_ros import __version__`.
            rank = RANKS.get(other, 0 if other.startswith("__") else None)
            if rank is None:
                found.append(f"{file}: imports {name}, which has no rank")
            elif other != room and rank >= RANKS[room]:
                found.append(f"{file}: rank {RANKS[room]} imports {name} of rank {rank}")
        elif top not in sys.stdlib_module_names and top not in allowed:
            found.append(f"{file}: may not import {top}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_module_imports_only_what_its_room_may(path: Path) -> None:
    assert violations(path.read_text("utf-8"), path.relative_to(PACKAGE).as_posix()) == []


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        ("contract/wrong.py", "from zeroproof_ros.pipeline import StrictIK", "rank 1 imports"),
        ("contract/wrong.py", "from ..pipeline.table import ResultTable", "rank 1 imports"),
        ("contract/__init__.py", "from ..pipeline import table", "rank 1 imports"),
        ("bundle/wrong.py", "from zeroproof_ros import nodes", "rank 3 imports"),
        ("kinematics/wrong.py", "import zeroproof_ros.runtimes.onnx", "rank 2 imports"),
        ("errors.py", "from zeroproof_ros.inference import x", "rank 0 imports"),
        ("pipeline/wrong.py", "def f():\n    import rclpy", "may not import rclpy"),
        ("runtimes/onnx.py", "import torch", "may not import torch"),
        ("monitor/wrong.py", "from sensor_msgs.msg import PointCloud2", "may not import sensor"),
        ("cli/wrong.py", "import rclpy", "may not import rclpy"),
        ("wrong/room.py", "", "has no rank"),
        ("cli/wrong.py", "import zeroproof_ros.wrong", "which has no rank"),
    ],
)
def test_wrong_import_is_found(file: str, source: str, message: str) -> None:
    (found,) = violations(source, file)
    assert message in found


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("contract/right.py", "import numpy as np\nfrom zeroproof_ros.errors import ArrayError"),
        ("contract/right.py", "from . import strict\nfrom .config import InferenceConfig"),
        ("runtimes/torchscript.py", "import torch\nimport numpy"),
        ("cli/right.py", "from zeroproof_ros import __version__, nodes"),
    ],
)
def test_right_import_passes(file: str, source: str) -> None:
    assert violations(source, file) == []


# Message packages are Python, not the middleware: with them the conversions run without rclpy.
@pytest.mark.parametrize(
    ("rooms", "blocked"),
    [
        (
            CORE | FACES,
            {"rclpy", "torch", "onnx", "matplotlib", "rich", "array_api_compat", *MESSAGES},
        ),
        ({*CORE, "messages", "cli"}, {"rclpy", "rosbags", "torch", "onnx"}),
    ],
    ids=["core and faces", "core, messages and cli"],
)
def test_imports_without_ros_and_torch(rooms: set[str], blocked: set[str]) -> None:
    if "messages" in rooms and importlib.util.find_spec("sensor_msgs") is None:
        pytest.skip("the ROS message packages are not installed here")
    modules = [module_name(path) for path in MODULES if path.stem != "torchscript"]
    # __main__ runs the command line when it is imported.
    modules = [name for name in modules if room_of(name) in rooms and "__main__" not in name]
    script = (
        "import importlib, sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(blocked)!r}))\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_every_import_has_a_dependency() -> None:
    manifest = ET.parse(ROOT / "package.xml")
    told = {element.text for element in manifest.iter("exec_depend")}
    missing = {}
    for path in [*MODULES, *(ROOT / "launch").glob("*.launch.py")]:
        for name in imports(path.read_text("utf-8"), module_name(path)):
            top = name.partition(".")[0]
            known = {NAME, *sys.stdlib_module_names, *OPTIONAL}
            if top not in known and KEYS.get(top, top) not in told:
                missing[KEYS.get(top, top)] = path.name
    assert missing == {}, "no exec_depend in package.xml"


def test_version_is_told_alike() -> None:
    # setup.py reads package.xml, so these two are all.
    assert ET.parse(ROOT / "package.xml").findtext("version") == zeroproof_ros.__version__
