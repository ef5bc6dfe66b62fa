"""Good bundles with random damage: each is refused by name, or loads and keeps the contract.

The cases run in a child process, so that a crash there is a failure here. One case or many more are
run by hand with `python test/unit/test_bundle_fuzz.py FOLDER FIRST LAST`, FOLDER being where good
bundles lie; a failure names the case.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zeroproof_ros.bundle import GraphKind, load_bundle, write_bundle
from zeroproof_ros.bundle.operators import OPERATORS
from zeroproof_ros.errors import ZeroProofError

onnx = pytest.importorskip("onnx", reason="onnx, which builds the models of this test")
from onnx import defs, numpy_helper, parser

CASES = 3000
SECONDS = 300.0
MEMORY = 4 << 30

Files = dict[str, bytes]
Random = random.Random

# Bytes


def _at(rng: Random, content: bytearray) -> int:
    return rng.randrange(len(content) + 1)


def _flip(rng: Random, content: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 1, 4, 30))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _set(rng: Random, content: bytearray) -> None:
    content[rng.randrange(len(content))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _cut_off(rng: Random, content: bytearray) -> None:
    del content[_at(rng, content) :]


def _insert(rng: Random, content: bytearray) -> None:
    at = _at(rng, content)
    content[at:at] = rng.randbytes(rng.choice((1, 2, 8, 100)))


def _remove(rng: Random, content: bytearray) -> None:
    at = _at(rng, content)
    del content[at : at + rng.choice((1, 2, 8, 100))]


def _copy_block(rng: Random, content: bytearray) -> None:
    at, to = _at(rng, content), _at(rng, content)
    content[to:to] = content[at : at + rng.choice((1, 4, 20, 200))]


def _swap_blocks(rng: Random, content: bytearray) -> None:
    a, b, c = sorted(_at(rng, content) for _ in range(3))
    content[a:c] = content[b:c] + content[a:b]


BYTES = (_flip, _set, _cut_off, _insert, _remove, _copy_block, _swap_blocks)


def damage_bytes(rng: Random, files: Files) -> str:
    name = rng.choice(sorted(files))
    content = bytearray(files[name])
    change = rng.choice(BYTES)
    if content or change not in (_flip, _set):
        change(rng, content)
    files[name] = bytes(content)
    return f"{change.__name__} {name}"


# Metadata

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 1 << 31, 1 << 63, 1 << 70, 10**400, -0.0, 0.5, 1e-300, 1e300,
    5e-324, "", "a", "input_0", "batch", "..", "/", "\0", "\ud800", "a" * 3000, [], [[]], {},
    {"a": 1},
    ["a"] * 300, [0] * 300, [None], {"": ""}, [{"name": "a", "shape": [], "dtype": "float32"}],
    ["decoded", "bottom_mask", "gap_mask"], ["numerator", "denominator"],
    float("nan"), float("inf"),
)  # fmt: skip


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every value inside a document, as its container and key."""
    keys = list(document) if isinstance(document, dict) else range(len(document))
    found = [(document, key) for key in keys]
    for key in keys:
        if isinstance(document[key], dict | list):
            found += _places(document[key])
    return found


def damage_metadata(rng: Random, files: Files) -> str:
    try:
        metadata = json.loads(files["metadata.json"])
        places = _places(metadata)
        container, key = rng.choice(places)
    except (ValueError, TypeError, IndexError):  # damaged before
        return "nothing"
    change = rng.choice(("replace", "replace", "exchange", "remove", "rename", "twice", "nest"))
    if change == "replace":
        container[key] = rng.choice(VALUES)
    elif change == "exchange":
        other, other_key = rng.choice(places)
        container[key] = json.loads(json.dumps(other[other_key]))
    elif change == "remove":
        del container[key]
    elif change == "rename" and isinstance(container, dict):
        container[rng.choice((key + "_", key.upper(), ""))] = container.pop(key)
    elif change == "nest":
        for _ in range(rng.choice((1, 30, 70, 150))):
            container[key] = rng.choice(([container[key]], {"a": container[key]}))
    text = json.dumps(metadata)
    if change == "twice":
        text = text.replace("{", f"{{{json.dumps(str(key))}: {json.dumps(rng.choice(VALUES))},", 1)
    files["metadata.json"] = text.encode()
    return f"{change} {key}"


# Models, by their parts

NUMBERS = (0, 1, 2, 3, 4, 5, 7, -1, -2, 1 << 10, 1 << 20, 1 << 31, 1 << 40, 1 << 62, -(1 << 63))
# Mostly those that reach ONNX Runtime.
ALL = sorted({schema.name for schema in defs.get_all_schemas() if not schema.domain})
TAKEN = [*sorted(OPERATORS)] * 20 + ALL
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e38, float("inf"), float("-inf"), float("nan"))


def _tensors(graph: Any) -> list[Any]:
    inside = [a.t for node in graph.node for a in node.attribute if a.HasField("t")]
    return [*graph.initializer, *inside]


def _a_shape(rng: Random, graph: Any) -> None:
    chosen = rng.choice([*graph.input, *graph.output])
    dims = chosen.type.tensor_type.shape.dim
    change = rng.choice(("value", "name", "add", "drop", "none"))
    if change == "add":
        dims.add(dim_value=rng.choice(NUMBERS))
    elif change == "none":
        chosen.type.tensor_type.ClearField("shape")
    elif dims and change == "drop":
        del dims[rng.randrange(len(dims))]
    elif dims and change == "name":
        rng.choice(dims).dim_param = rng.choice(("batch", "n", ""))
    elif dims:
        rng.choice(dims).dim_value = rng.choice(NUMBERS)


def _a_type(rng: Random, graph: Any) -> None:
    chosen = rng.choice([*graph.input, *graph.output])
    if rng.random() < 0.2:
        chosen.type.sequence_type.elem_type.tensor_type.elem_type = 1
    chosen.type.tensor_type.elem_type = rng.randrange(-1, 26)


def _a_tensor(rng: Random, graph: Any) -> None:
    chosen = rng.choice(_tensors(graph))
    change = rng.choice(("type", "dim", "add", "drop", "values", "other", "outside"))
    if change == "type":
        chosen.data_type = rng.randrange(-1, 26)
    elif change == "add":
        chosen.dims.insert(rng.randrange(len(chosen.dims) + 1), rng.choice((1, 1, *NUMBERS)))
    elif change == "drop":
        del chosen.dims[rng.randrange(len(chosen.dims) + 1) :]
    elif change == "dim" and chosen.dims:
        chosen.dims[rng.randrange(len(chosen.dims))] = rng.choice(NUMBERS)
    elif change == "other":
        chosen.int64_data.append(rng.choice(NUMBERS))
    elif change == "outside" and chosen.external_data:
        rng.choice(chosen.external_data).value = rng.choice(("0", "8", "-1", "99999", "", "../a"))
    elif chosen.raw_data:
        words = bytearray(chosen.raw_data)
        integer = chosen.data_type == 7
        word = np.array(rng.choice(NUMBERS if integer else FLOATS), "<i8" if integer else "<f4")
        at = rng.randrange(max(len(words) // word.nbytes, 1)) * word.nbytes
        words[at : at + word.nbytes] = word.tobytes()
        chosen.raw_data = bytes(words)


def _an_operator(rng: Random, graph: Any) -> None:
    rng.choice(graph.node).op_type = rng.choice(TAKEN)


def _an_operator_more(rng: Random, graph: Any) -> None:
    """Between one node and those that use it."""
    chosen = rng.choice([node for node in graph.node if node.output])
    place = rng.randrange(len(chosen.output))
    name = chosen.output[place]
    chosen.output[place] = f"{name}_before"
    names = _names(graph)
    more = [rng.choice(names) for _ in range(rng.choice((0, 0, 1, 2)))]
    added = graph.node.add(op_type=rng.choice(TAKEN), output=[name])
    added.input.extend([f"{name}_before", *more])
    _set_attribute(rng, added)


def _names(graph: Any) -> list[str]:
    made = [name for node in graph.node for name in node.output]
    return ["", *made, *(t.name for t in graph.initializer), *(i.name for i in graph.input)]


def _an_edge(rng: Random, graph: Any) -> None:
    node, names = rng.choice(graph.node), _names(graph)
    side = rng.choice((node.input, node.input, node.output))
    change = rng.choice(("replace", "replace", "add", "drop"))
    if change == "add":
        side.append(rng.choice(names))
    elif side and change == "drop":
        side.pop()
    elif side:
        side[rng.randrange(len(side))] = rng.choice(names)


ATTRIBUTES = (
    "axis",
    "axes",
    "to",
    "keepdims",
    "value",
    "perm",
    "mode",
    "shape",
    "equation",
    "group",
)


def _set_attribute(rng: Random, node: Any) -> None:
    attribute = rng.choice(node.attribute) if node.attribute and rng.random() < 0.7 else None
    if attribute is None:
        attribute = node.attribute.add(name=rng.choice(ATTRIBUTES))
    attribute.type = rng.choice((1, 2, 2, 3, 6, 7, 7, 8, 0, 4, 5, 11))
    attribute.i = rng.choice(NUMBERS)
    attribute.f = rng.choice(FLOATS)
    attribute.s = rng.choice((b"", b"linear", b"ij->ji", b"...", b"\xff", b"a" * 1000))
    attribute.ints.extend(rng.choices(NUMBERS, k=rng.randrange(3)))
    attribute.floats.extend(rng.choices(FLOATS, k=rng.randrange(3)))


def _an_attribute(rng: Random, graph: Any) -> None:
    node = rng.choice(graph.node)
    if node.attribute and rng.random() < 0.3:
        del node.attribute[rng.randrange(len(node.attribute))]
    else:
        _set_attribute(rng, node)


def _an_order(rng: Random, graph: Any) -> None:
    items = rng.choice((graph.node, graph.initializer, graph.input, graph.output))
    kept = list(items)
    change = rng.choice(("shuffle", "drop", "double"))
    if change == "shuffle":
        rng.shuffle(kept)
    elif kept and change == "drop":
        kept.pop(rng.randrange(len(kept)))
    elif kept:
        kept.append(rng.choice(kept))
    copies = [type(item).FromString(item.SerializeToString()) for item in kept]
    del items[:]
    items.extend(copies)


def _a_version(rng: Random, model: Any) -> None:
    if model.opset_import and rng.random() < 0.5:
        model.opset_import[0].version = rng.choice((*range(1, 30), *NUMBERS))
    else:
        model.ir_version = rng.choice((*range(1, 15), *NUMBERS))


def _a_name(rng: Random, graph: Any) -> None:
    chosen = rng.choice([*graph.input, *graph.output, *graph.initializer, *graph.node])
    chosen.name = rng.choice((*_names(graph), "numerator", "denominator", "a" * 1000, "\0"))


PARTS: tuple[Callable[[Random, Any], None], ...] = (
    _a_shape, _a_type, _a_tensor, _a_tensor, _an_operator, _an_operator, _an_operator_more,
    _an_operator_more, _an_edge, _an_attribute, _an_order, _a_name,
    _a_version,
)  # fmt: skip


def damage_model(rng: Random, files: Files) -> str:
    try:
        model = onnx.load_model_from_string(files["model.onnx"])
    except Exception:  # noqa: BLE001 -- damaged before; protobuf's errors differ by version
        return "nothing"
    change = rng.choice(PARTS)
    try:
        change(rng, model if change is _a_version else model.graph)
    except (IndexError, ValueError):  # nothing there to change, or no number that fits
        return "nothing"
    files["model.onnx"] = model.SerializeToString()
    return change.__name__


# One case


def damaged(index: int, bundles: Mapping[str, Files]) -> tuple[str, Files]:
    """The files of a case and what was done to them."""
    rng = Random(f"bundle {index}")
    name = rng.choice(sorted(bundles))
    files, done = dict(bundles[name]), [name]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.random()
        if kind < 0.25:
            done.append(damage_bytes(rng, files))
        elif kind < 0.45:
            done.append(damage_metadata(rng, files))
        else:
            done.append(damage_model(rng, files))
    if rng.random() < 0.9:
        _declare(files)
    return f"case {index}: " + ", ".join(done), files


def _declare(files: Files) -> None:
    """Tell size and digest of the model as it is now, so that they do not catch the damage."""
    try:
        metadata = json.loads(files["metadata.json"])
        if "model_sha256" in metadata:
            metadata["model_sha256"] = hashlib.sha256(files["model.onnx"]).hexdigest()
            metadata["model_bytes"] = len(files["model.onnx"])
            files["metadata.json"] = json.dumps(metadata).encode()
    except (ValueError, TypeError):  # not JSON any more, or no object
        pass


def check_contract(bundle: Any, rows: Any) -> None:
    """Raise AssertionError where an answer breaks the contract."""
    result = bundle.run(rows)
    decoded, bottom, gap = result
    masks = (bottom, gap, result.fault_mask, result.semantic_bottom_mask)
    assert decoded.dtype.kind == "f", decoded.dtype
    assert decoded.ndim in (1, 2), decoded.shape
    for mask in masks:
        assert mask.dtype == bool, mask.dtype
        assert mask.shape == bottom.shape
        assert len(mask) == len(decoded) == len(rows)
    assert not (bottom & gap).any()
    assert ((result.fault_mask | result.semantic_bottom_mask) == bottom).all()
    spread = bottom if bottom.ndim == decoded.ndim else bottom[:, None]
    spread = np.broadcast_to(spread, decoded.shape)
    assert np.isnan(decoded[spread]).all()
    assert np.isfinite(decoded[~spread]).all()


def outcome_of(path: Path) -> str:
    """What becomes of a bundle; raises whatever is neither a refusal nor the contract."""
    try:
        bundle = load_bundle(path)
    except ZeroProofError as error:
        return type(error).__name__
    width = int(bundle.runtime.inputs[0].shape[1])
    rows = np.random.default_rng(0).normal(size=(7, width))
    rows[:6, -1] = [0.0, np.nan, np.inf, -np.inf, 3e38, 1e-300]
    rows[0] = 0.0
    try:
        for count in (7, 1, 0, 2):
            check_contract(bundle, rows[:count])
    except ZeroProofError as error:
        return f"loads, then {type(error).__name__}"
    return "loads"


def run_cases(folder: Path, first: int, last: int) -> None:
    """Run the cases first to last - 1: prints each before it starts, then the outcomes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    bundles = {
        bundle.name: {path.name: path.read_bytes() for path in bundle.iterdir()}
        for bundle in folder.iterdir()
    }
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as base:
        for index in range(first, last):
            what, files = damaged(index, bundles)
            print(ascii(what)[:300], flush=True)
            path = Path(base) / f"{index}"
            path.mkdir()
            for name, content in files.items():
                (path / name).write_bytes(content)
            try:
                outcomes[outcome_of(path)] += 1
            except Exception:  # noqa: BLE001 -- any is a finding, and the next case runs all the same
                outcomes["FAILED"] += 1
                traceback.print_exc()
            shutil.rmtree(path)
    print(json.dumps(outcomes))


# The bundles, and the test

MLP = """
    h = Gemm(input_0, w1, b1)  a = Tanh(h)  pq = MatMul(a, w2)
    numerator, q = Split <axis=1> (pq, widths)  denominator = Squeeze(q, axis)
"""
MLP_CONSTANTS = """
    float[4,3] w1 = {0.5,-1.0,0.25, 1.0,0.5,-0.5, 0.75,0.5,1.0, -1.0,0.25,0.5},
    float[3] b1 = {0.5,-0.5,0.25}, float[3,3] w2 = {1.0,0.5,-0.25, 0.5,1.0,0.75, -0.5,0.25,1.0},
    int64[2] widths = {2, 1}, int64[1] axis = {1}
"""
DECODE = f"""{MLP}
    size = Abs(denominator)  large = GreaterOrEqual(size, tau_infer)  small = Less(size, tau_infer)
    semantic_bottom_mask = Identity(small)  fine = Or(large, small)  fault_mask = Not(fine)
    bottom_mask = Not(large)  risky = Less(size, tau_train)  gap_mask = And(large, risky)
    fault_code = Cast <to=7> (fault_mask)  small_code = Cast <to=7> (small)
    twice = Add(small_code, small_code)  bottom_provenance = Add(fault_code, twice)
    column = Unsqueeze(large, axis)  divisor = Where(column, q, one)
    quotient = Div(numerator, divisor)  decoded = Where(column, quotient, nan)
"""
SIX = """
    float[batch, 2] decoded, bool[batch] bottom_mask, bool[batch] gap_mask, bool[batch] fault_mask,
    bool[batch] semantic_bottom_mask, int64[batch] bottom_provenance
"""
DECODE_CONSTANTS = (
    f"{MLP_CONSTANTS}, float tau_infer = {{0.25}}, float tau_train = {{0.5}}, float one = {{1.0}}"
)


@pytest.fixture(scope="module")
def bundles(
    graph: Callable[..., bytes],
    exact_bundle: Callable[..., Any],
    save_weights_outside: Callable[[bytes, Path], None],
    exact_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder of good bundles: exact ones of both kinds, one with weights outside, a v2 one."""
    folder = tmp_path_factory.mktemp("bundles")
    shutil.copytree(exact_folder, folder / "projective")
    shutil.copytree(exact_bundle(kind=GraphKind.STRICT).path, folder / "strict")
    metadata = {
        "format": "zeroproofml_export_bundle",
        "format_version": 1,
        "model_file": "model.onnx",
        "input_names": ["input_0"],
        "inputs": [{"name": "input_0", "dtype": "float32", "shape": ["batch", 4]}],
        "batch_axis_semantics": {"axis_name": "batch", "input_axes": {"input_0": 0}},
        "scm_decoding_mode": "strict",
        "tau_infer": 0.25,
        "tau_train": 0.5,
        "use_gap": True,
    }
    outside = folder / "outside"
    outside.mkdir()
    save_weights_outside(graph(MLP, constants=MLP_CONSTANTS), outside / "model.onnx")
    names = {"output_names": list(GraphKind.PROJECTIVE.value)}
    (outside / "metadata.json").write_text(json.dumps(metadata | names), encoding="utf-8")
    nan = numpy_helper.from_array(np.array(np.nan, dtype=np.float32), "nan")
    model = parser.parse_model(
        f"""<ir_version: 9, opset_import: ["" : 18]>
        model (float[batch, 4] input_0) => ({SIX}) <{DECODE_CONSTANTS}> {{ {DECODE} }}"""
    )
    model.graph.initializer.append(nan)
    names = {
        "schema_name": "zeroproofml_export_bundle_metadata",
        "schema_version": 2,
        "output_names": list(GraphKind.PROVENANCE.value),
    }
    write_bundle(folder / "six", model.SerializeToString(), metadata | names)
    return folder


def test_the_bundles_are_good_until_they_are_damaged(bundles: Path) -> None:
    assert {path.name: outcome_of(path) for path in bundles.iterdir()} == dict.fromkeys(
        ("projective", "strict", "outside", "six"), "loads"
    )


def test_damage_is_refused_or_harmless(bundles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-W", "error", __file__, str(bundles), "0", str(CASES)]
    child = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    lines = child.stdout.splitlines()
    # Whatever is neither the name of a case nor the last line is a finding about the case before.
    strange = [index for index, line in enumerate(lines[:-1]) if not line.startswith("'case ")]
    shown = "\n".join(lines[max(strange[0] - 1, 0) :][:40] if strange else lines[-2:])
    assert child.returncode == 0, shown
    assert not strange, shown
    outcomes = json.loads(lines[-1])
    with capsys.disabled():
        print(f"\n{CASES} damaged bundles: {outcomes}")
    assert sum(outcomes.values()) == CASES
    # Damage that is always found, or never, would test little.
    assert 0.05 * CASES < outcomes["loads"] < 0.6 * CASES
    assert len(outcomes) >= 8


if __name__ == "__main__":
    run_cases(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
