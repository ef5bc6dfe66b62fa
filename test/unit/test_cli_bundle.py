"""The verb `bundle`: what it prints, in both forms, and its exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from zeroproof_ros.bundle import Bundle, GraphKind, load_bundle
from zeroproof_ros.cli import main
from zeroproof_ros.runtimes.onnx import CPU, CUDA

ROOT = Path(__file__).parents[2]
ACTIONS = ("validate", "inspect", "smoke")
# A colour, an end of line, a title of the window, a mark of direction, and markup of rich.
HOSTILE = "\x1b[31mred\r\n\x1b]0;title\x07\u202edrow [bold]x[/bold] [/] :boom:"
SHOWN = r"\x1b[31mred\r\n\x1b]0;title\x07\u202edrow [bold]x[/bold] [/] :boom:"

Edit = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def as_json(capsys: Capture, *words: object) -> tuple[int, dict[str, Any]]:
    """Exit code and object; fails where stdout holds anything else."""
    code = main(["bundle", *map(str, words), "--json"])
    out, err = capsys.readouterr()
    assert err == ""
    report = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert out.count("\n") == 1
    assert report["ok"] is (code == 0)
    return code, report


def as_text(capsys: Capture, *words: object) -> tuple[int, str]:
    code = main(["bundle", *map(str, words)])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


@pytest.mark.parametrize("action", ACTIONS)
def test_a_good_bundle_is_told_in_both_forms_alike(
    capsys: Capture, exact_folder: Path, exact_model: Bundle, action: str
) -> None:
    code, report = as_json(capsys, action, exact_folder)
    assert code == 0
    assert report["id"] == exact_model.id
    assert report["digest"] == exact_model.digest
    code, text = as_text(capsys, action, exact_folder)
    assert code == 0
    labels = [line.split()[0] for line in text.splitlines() if not line.startswith(" ")]
    assert labels == list(report)
    assert f"\ndigest                 {exact_model.digest}\n" in text
    assert text.isprintable() is False  # its line ends
    assert all(line.isprintable() for line in text.splitlines())


def test_validate_names_what_was_checked(capsys: Capture, exact_folder: Path, edit: Edit) -> None:
    digest = load_bundle(exact_folder).digest
    _, report = as_json(capsys, "validate", exact_folder, "--expected-digest", digest)
    checked = report["checked"]
    assert checked["expected_digest"] == "agrees"
    assert checked["model"] == "model_bytes and model_sha256 agree"
    assert checked["thresholds"].startswith("not in the graph: it is decoded here")
    assert checked["provider"] == f"{CPU} runs it"
    assert checked["signature"] == "names agree; dtypes and shapes: inputs and outputs agree"
    specs = [{"name": "input_0", "dtype": "float32", "shape": ["batch", 4]}]
    folder = edit(model_bytes=..., model_sha256=..., deployment=..., inputs=specs, outputs=...)
    _, report = as_json(capsys, "validate", folder)
    checked = report["checked"]
    assert checked["expected_digest"] == "none was given"
    assert checked["model"] == "none are told"
    assert checked["deployment"].startswith("none: ")
    assert checked["signature"] == "names agree; dtypes and shapes: inputs agree"
    folder = edit(inputs=..., outputs=..., batch_axis_semantics=...)
    _, report = as_json(capsys, "validate", folder)
    assert report["checked"]["signature"] == "names agree; dtypes and shapes: none are told"


def test_validate_says_whether_the_thresholds_were_found(
    capsys: Capture, exact_bundle: Callable[..., Bundle], graph_bundle: Callable[..., Bundle]
) -> None:
    bundle = exact_bundle(kind=GraphKind.STRICT)
    _, report = as_json(capsys, "validate", bundle.path)
    assert report["checked"]["thresholds"].startswith("read from the graph")
    hidden = """
        theta1, rest = Split <axis=1> (input_0, widths)
        bottoms = Greater(theta1, one)  bottom_mask = Squeeze(bottoms, axis)
        gap_mask = And(bottom_mask, no)  decoded = Split <axis=1, num_outputs=2> (input_0)
    """
    hidden = hidden.replace("decoded = Split", "decoded, unused = Split")
    constants = "int64[2] widths = {1, 3}, int64[1] axis = {1}, float one = {1.0}, bool no = {0}"
    outputs = "float[batch, 2] decoded, bool[batch] bottom_mask, bool[batch] gap_mask"
    bundle = graph_bundle(hidden, constants=constants, outputs=outputs)
    _, report = as_json(capsys, "validate", bundle.path)
    assert report["checked"]["thresholds"].startswith("not readable from the graph")


def test_inspect_is_proof_of_what_runs(capsys: Capture, exact_folder: Path) -> None:
    _, report = as_json(capsys, "inspect", exact_folder)
    for name, facts in report["files"].items():
        content = (exact_folder / name).read_bytes()
        assert facts == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert report["runs"] == {
        "runtime": f"ONNX Runtime {onnxruntime.__version__}",
        "device": "cpu",
        "providers": [CPU],
        "placement": "asked for",
    }
    assert report["inputs"] == {"input_0": {"dtype": "float32", "shape": ["batch", 4]}}
    assert report["outputs"]["denominator"] == {"dtype": "float32", "shape": ["batch"]}
    assert report["thresholds"]["tau_infer"] == 0.02
    assert report["thresholds"]["tau_train"] == 0.05
    assert report["schema"] == {"format_version": 1, "schema_version": 1}
    assert report["deployment"]["joint_features"] == ["theta1", "theta2"]
    assert report["deployment"]["task_features"] == ["dx", "dy"]
    assert report["model"]["formula"] == "P = adj(J) dx, Q = det J"


def test_the_printed_command_gives_the_printed_digest(
    capsys: Capture, exact_bundle: Callable[..., Bundle], onnx: Any
) -> None:
    folder = exact_bundle().path
    model = onnx.load(folder / "model.onnx")
    # `Z.bin` is sorted before `metadata.json`
    onnx.save(
        model, folder / "model.onnx", save_as_external_data=True, location="Z.bin", size_threshold=0
    )
    metadata = json.loads((folder / "metadata.json").read_text())
    del metadata["model_bytes"], metadata["model_sha256"]
    (folder / "metadata.json").write_text(json.dumps(metadata))
    _, report = as_json(capsys, "inspect", folder)
    assert list(report["files"]) == ["Z.bin", "metadata.json", "model.onnx"]
    printed = subprocess.run(
        ["/bin/sh", "-c", report["digest_command"]], cwd=folder, capture_output=True, check=True
    )
    assert printed.stdout.decode() == f"{report['digest']}  -\n"
    _, report = as_json(capsys, "validate", folder)
    assert report["checked"]["weights"] == "in Z.bin"


def test_inspect_tells_what_makers_tell_and_says_that_nothing_checks_it(
    capsys: Capture, edit: Edit
) -> None:
    made = {"torch": {"version": "2.13.0"}, "package": {"zeroproofml": "0.6.1"}}
    _, report = as_json(capsys, "inspect", edit(**made, note="not shown"))
    assert report["told_but_not_checked"] == {**made, "opset": 18}
    _, text = as_text(capsys, "inspect", edit(**made))
    assert '\n  package              zeroproofml "0.6.1"\n' not in text
    assert "\n  package              zeroproofml 0.6.1\n" in text


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"format_version": 2}, "UnknownVersionError"),
        ({"tau_infer": -1.0}, "MetadataMalformedError"),
        ({"model_bytes": 1}, "DigestMismatchError"),
        ({"model_file": "nowhere.onnx"}, "BundlePathError"),
    ],
)
def test_a_refusal_is_named_in_both_forms(
    capsys: Capture, edit: Edit, action: str, changes: dict[str, Any], error: str
) -> None:
    folder = edit(**changes)
    code, report = as_json(capsys, action, folder)
    assert code == 2
    assert report["error"] == error
    assert Path(report["path"]).is_relative_to(folder)
    assert set(report) == {"ok", "error", "message", "path"}
    assert main(["bundle", action, str(folder)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"error: {report['message']}\n"


def test_a_wrong_digest_is_refused(capsys: Capture, exact_folder: Path) -> None:
    for pin in ("0" * 64, ""):
        code, report = as_json(capsys, "validate", exact_folder, "--expected-digest", pin)
        assert (code, report["error"]) == (2, "DigestMismatchError")


@pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(), reason="this ONNX Runtime has CUDA"
)
def test_a_device_that_is_not_there_is_refused(capsys: Capture, exact_folder: Path) -> None:
    code, report = as_json(capsys, "inspect", exact_folder, "--device", "cuda")
    assert (code, report["error"]) == (2, "ProviderUnavailableError")
    # which names no path of its own
    assert report["path"] == str(exact_folder)
    _, report = as_json(capsys, "inspect", exact_folder, "--device", "auto")
    assert report["runs"]["providers"] == [CPU]
    assert report["runs"]["placement"].startswith("auto, measured with 1 rows: cpu")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["validate"],
        ["validate", ".", "--rows", "1"],
        ["inspect", ".", "--device", "tpu"],
        ["smoke", ".", "--rows", "0"],
        ["smoke", ".", "--rows", "1000000000000"],
        ["smoke", ".", "--rows", "x"],
        ["smoke", ".", "--seed", "-1"],
        ["sign", "."],
    ],
)
def test_a_wrong_command_line_has_exit_code_2(capsys: Capture, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bundle", *words])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["bundle"], *(["bundle", action] for action in ACTIONS)])
def test_help_tells_the_exit_codes(capsys: Capture, words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert caught.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Exit codes: 0 nothing is wrong; 1 the smoke test ran and a check failed; 2 the" in told


def hostile_bundle(edit: Edit, block: dict[str, Any]) -> Path:
    names = [f"{HOSTILE}{i}" for i in range(4)]
    block |= {
        "features": names,
        "joint_features": names[:2],
        "task_features": names[2:],
        "base_frame": HOSTILE,
        "model": {HOSTILE: HOSTILE, "nested": {HOSTILE: [HOSTILE]}},
        "validation": {"list": [[HOSTILE]], "value": 10**400},
    }
    return edit(deployment=block, package=HOSTILE, git={HOSTILE: {HOSTILE: HOSTILE}})


@pytest.mark.parametrize("action", ACTIONS)
def test_names_of_others_reach_a_terminal_as_text(
    capsys: Capture, edit: Edit, block: dict[str, Any], action: str
) -> None:
    code, text = as_text(capsys, action, hostile_bundle(edit, block))
    assert code == 0
    assert all(line.isprintable() for line in text.splitlines())
    if action == "inspect":
        assert f"\n  package              {SHOWN}\n" in text
        assert f"\n  base_frame           {SHOWN}\n" in text
        assert f"\n  {SHOWN} {SHOWN}\n" in text


def test_names_of_others_survive_json(capsys: Capture, edit: Edit, block: dict[str, Any]) -> None:
    _, report = as_json(capsys, "inspect", hostile_bundle(edit, block))
    assert report["deployment"]["features"][0] == HOSTILE + "0"
    assert report["model"][HOSTILE] == HOSTILE


def test_a_refusal_with_names_of_others_reaches_a_terminal_as_text(
    capsys: Capture, edit: Edit, block: dict[str, Any]
) -> None:
    folder = edit(deployment=block | {"task_features": [HOSTILE, "dx"]})
    assert main(["bundle", "validate", str(folder)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert SHOWN in err
    assert all(line.isprintable() for line in err.splitlines())
    assert err.count("\n") == 1


def test_deep_blocks_are_told(capsys: Capture, edit: Edit, block: dict[str, Any]) -> None:
    deep: Any = 0
    for _ in range(25):
        deep = {"a": [deep]}
    folder = edit(deployment=block | {"model": {"deep": deep}})
    for form in (as_json, as_text):
        assert form(capsys, "inspect", folder)[0] == 0  # type: ignore[operator]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "zeroproof_ros", "bundle", *map(str, words)]


def test_as_a_process_it_prints_json_and_nothing_else(exact_folder: Path, tmp_path: Path) -> None:
    for folder, code in ((exact_folder, 0), (tmp_path, 2)):
        done = subprocess.run(
            command("smoke", folder, "--json", "--rows", 10),
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (code, b"")
        assert json.loads(done.stdout)["ok"] is (code == 0)


def test_as_a_process_it_prints_where_letters_are_missing(
    edit: Edit, block: dict[str, Any]
) -> None:
    folder = edit(deployment=block | {"base_frame": "sch\u00e4del\u4e2d"})
    done = subprocess.run(
        command("inspect", folder),
        cwd=ROOT,
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"base_frame           sch\xe4del\u4e2d" in done.stdout


def test_a_terminal_gets_styles_and_whole_lines(edit: Edit, block: dict[str, Any]) -> None:
    folder = hostile_bundle(edit, block)
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        command("inspect", folder),
        cwd=ROOT,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "40"},
    )
    os.close(theirs)
    text = b""
    try:
        while part := os.read(terminal, 1 << 16):
            text += part
    except OSError:  # the other end was closed
        pass
    os.close(terminal)
    assert process.wait() == 0
    assert b"\x1b[1mdigest" in text
    assert b"]0;title\x07" not in text
    assert b"\x1b[31m" not in text
    assert load_bundle(folder).digest.encode() in text
