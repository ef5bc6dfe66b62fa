"""The verb `evaluate`: its files, verdicts and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import (
    BOTTOM,
    FAR,
    GOOD,
    PERIOD,
    START,
    TOPIC,
    Message,
    target,
    targets,
    write_bag,
    write_file,
)

from zeroproof_ros.bags import Recording
from zeroproof_ros.cli import main
from zeroproof_ros.cli.evaluate import EXIT_CODES

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    return write_bag(tmp_path / "bag", targets(10))


def evaluated(capsys: Capture, *words: object) -> tuple[int, str, str]:
    try:
        code = main(["evaluate", *map(str, words)])
    except SystemExit as wrong:
        code = int(str(wrong.code))
    return (code, *capsys.readouterr())


def report(out: Path) -> Any:
    return json.loads((out / "report.json").read_text("utf-8"))


def test_a_recording_is_answered_measured_and_judged(
    capsys: Capture, bag: Path, exact_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "out"
    code, told, err = evaluated(capsys, bag, "--bundle", exact_folder, "--out", out)
    assert (code, err) == (0, "")
    assert told.startswith(f"{exact_folder.name}@")
    assert ": 10 targets, 10 rows\n" in told
    assert "\n10 rows in " in told
    assert "passed  unsafe_accepts             0  expected <= 0\n" in told
    assert told.endswith(f"PASSED\nreport: {out / 'report.html'}\n")
    files = {"report.html", "report.json", "result.mcap", "rows.npz"}
    assert {path.name for path in out.iterdir()} == files
    found = report(out)
    assert (found["schema_version"], found["complete"], found["passed"]) == (1, True, True)
    assert found["disagreement"] is None
    assert found["run"]["rows_per_second"] == pytest.approx(10 / found["run"]["seconds"])
    (part,) = found["evaluations"]
    assert part["figures"]["rows"] == 10
    assert part["bags"][0]["path"] == str(bag)
    assert part["bundle"]["path"] == str(exact_folder)


def test_the_same_recording_gives_the_same_files(
    capsys: Capture, bag: Path, exact_folder: Path, tmp_path: Path
) -> None:
    for name in "ab":
        evaluated(capsys, bag, "--bundle", exact_folder, "--out", tmp_path / name)
    for name in ("result.mcap", "rows.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    a, b = (report(tmp_path / name) for name in "ab")
    assert a.pop("run").keys() == b.pop("run").keys()
    assert a == b


@pytest.mark.parametrize("rejected", [False, True])
def test_a_failed_gate_is_named(
    capsys: Capture, exact_folder: Path, tmp_path: Path, rejected: bool
) -> None:
    rows = [GOOD, GOOD, FAR if rejected else BOTTOM]
    bag = write_bag(tmp_path / "bag", [target(rows, target_type="point_cloud")])
    gates = tmp_path / "gates.yaml"
    gates.write_text("reject_rate: {max: 0.1}\nrows: {min: 3, max: 3}\n", encoding="utf-8")
    out = tmp_path / "out"
    code, told, _ = evaluated(capsys, bag, "--bundle", exact_folder, "--out", out, "--gates", gates)
    assert code == (3 if rejected else 0)
    assert ("FAILED  reject_rate         0.333333  expected <= 0.1\n" in told) == rejected
    assert ("        reject_rate is 0.333333\n" in told) == rejected
    assert "passed  rows                       3  expected >= 3 and <= 3\n" in told
    assert f"\n{'FAILED' if rejected else 'PASSED'}\nreport: " in told
    assert report(out)["passed"] is not rejected


def test_a_gate_that_no_row_tells_fails(
    capsys: Capture, exact_folder: Path, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "bag", [target(GOOD, frame="camera")])
    gates = tmp_path / "gates.yaml"
    gates.write_text("coverage: {min: 0}\n", encoding="utf-8")
    code, told, _ = evaluated(
        capsys, bag, "--bundle", exact_folder, "--out", tmp_path / "out", "--gates", gates
    )
    assert code == 3
    assert "FAILED  coverage            not told  expected >= 0\n" in told
    assert "message 0: the target is in frame 'camera'" in told


def test_a_partial_recording_is_called_so(
    capsys: Capture, exact_folder: Path, tmp_path: Path
) -> None:
    bag = write_file(tmp_path / "bag.mcap", targets(10))
    bag.write_bytes(bag.read_bytes()[:-10])
    out = tmp_path / "out"
    code, told, _ = evaluated(capsys, bag, "--bundle", exact_folder, "--out", out)
    assert code == 4
    assert f"PARTIAL {bag}: bag.mcap has no end" in told
    assert "PASSED, of a partial recording\n" in told
    assert report(out)["complete"] is False
    gates = tmp_path / "gates.yaml"
    gates.write_text("rows: {min: 100}\n", encoding="utf-8")
    words = bag, "--bundle", exact_folder, "--out", out, "--gates", gates
    code, told, _ = evaluated(capsys, *words)
    assert code == 3
    assert "FAILED, of a partial recording\n" in told


def with_results(capsys: Capture, bag: Path, bundle: Path, folder: Path) -> list[Message]:
    """The targets of a recording, and the results that it leads to."""
    evaluated(capsys, bag, "--bundle", bundle, "--out", folder)
    messages = []
    for path in (bag, folder / "result.mcap"):
        with Recording(path) as recording:
            messages += [
                Message(topic, recording.topics[topic], data, time)
                for topic, time, data in recording.messages(*recording.topics)
            ]
    return messages


def test_results_are_found_again_or_not(
    capsys: Capture, bag: Path, exact_folder: Path, tmp_path: Path
) -> None:
    messages = with_results(capsys, bag, exact_folder, tmp_path / "first")
    again = write_bag(tmp_path / "again", messages)
    words = "--bundle", exact_folder, "--out", tmp_path / "out", "--against", "result"
    code, told, _ = evaluated(capsys, again, *words)
    assert code == 0
    assert "passed  against                    0  expected 0 rows differ\n" in told
    gates = tmp_path / "parameters.yaml"
    gates.write_text("strict_ik_node: {ros__parameters: {bottom_policy: reject}}", encoding="utf-8")
    code, told, _ = evaluated(capsys, again, *words, "--params-file", gates)
    assert code == 3
    assert "FAILED  against                    2  expected 0 rows differ\n" in told
    assert "of 10 recorded rows 10 were compared, 2 differ; 0 answer no target" in told
    (part,) = report(tmp_path / "out")["evaluations"]
    assert part["against"]["by_column"]["source"] == 2
    assert [row["message"] for row in part["against"]["first"]] == [0, 5]
    assert part["against"]["first"][0]["columns"]["source"] == {"here": 0, "recorded": 2}
    assert report(tmp_path / "out")["serving"]["policy"]["bottom_policy"] == "reject"


def test_two_bundles_are_compared(
    capsys: Capture, bag: Path, exact_folder: Path, tmp_path: Path
) -> None:
    learned = Path(__file__).parents[2] / "config" / "bundles" / "planar_2r"
    out = tmp_path / "out"
    code, told, _ = evaluated(
        capsys, bag, "--bundle", exact_folder, "--bundle", learned, "--out", out
    )
    assert code in (0, 3)
    assert "of 10 rows otherwise\n" in told
    found = report(out)
    assert [part["bundle"]["path"] for part in found["evaluations"]] == [
        str(exact_folder),
        str(learned),
    ]
    assert found["disagreement"]["rows"] == 10
    for name in "12":
        assert np.load(out / name / "rows.npz")["source"].shape == (10,)
        assert (out / name / "result.mcap").is_file()


def test_several_recordings_and_workers(
    capsys: Capture, bag: Path, exact_folder: Path, tmp_path: Path
) -> None:
    more = write_file(tmp_path / "more.db3", targets(5, seed=1, start=START + 100 * PERIOD))
    out = tmp_path / "out"
    words = bag, more, "--bundle", exact_folder, "--out", out, "--workers", 2, "--topic", TOPIC
    code, told, err = evaluated(capsys, *words)
    assert (code, err) == (0, "")
    assert ": 15 targets, 15 rows\n" in told
    assert np.load(out / "rows.npz")["bag"].tolist() == [0] * 10 + [1] * 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--topic", "/other"], "topic /other is not there, expected one of "),
        (["--against", "result"], "has no results /strict_ik_node/result "),
        (["--gates", "none.yaml"], "is not a readable file"),
        (["--params-file", "none.yaml"], "is not a readable file"),
        (["--bundle", "none"], "none"),
        (["--bundle", "a", "--bundle", "b"], "3 bundles are given, expected one or two"),
        (["--scheduler", ""], "no Dask scheduler answers at ''"),
        (["none"], "File 'none' does not exist"),
    ],
)
def test_what_is_refused_is_named_before_any_work(
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    bag: Path,
    exact_folder: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
) -> None:
    if "--scheduler" in words:
        pytest.importorskip("distributed", reason="distributed, the cluster")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    code, told, err = evaluated(capsys, bag, *words, "--bundle", exact_folder, "--out", out)
    assert (code, told) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert not out.exists()


def test_a_limit_of_no_figure_is_refused_before_any_work(
    capsys: Capture, bag: Path, exact_folder: Path, tmp_path: Path
) -> None:
    gates = tmp_path / "gates.yaml"
    gates.write_text("covrage: {min: 0.9}", encoding="utf-8")
    code, told, err = evaluated(
        capsys, bag, "--bundle", exact_folder, "--out", tmp_path / "out", "--gates", gates
    )
    assert (code, told) == (2, "")
    assert err.startswith("error: there are limits of covrage, expected some of messages, ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tolerance", "-1"], "-1 is not a finite number from 0 on"),
        (["--tolerance", "nan"], "nan is not a finite number from 0 on"),
        (["--tolerance", "inf"], "inf is not a finite number from 0 on"),
        (["--tolerance", "small"], "invalid _tolerance value: 'small'"),
        (["--workers", "0"], "0 is not within 1 to 1024"),
        (["--workers", "two"], "invalid integer value: 'two'"),
        (["--workers", "2", "--scheduler", "x"], "not allowed with argument"),
    ],
)
def test_a_wrong_command_line_is_refused(
    capsys: Capture, bag: Path, exact_folder: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    code, _, err = evaluated(
        capsys, bag, "--bundle", exact_folder, "--out", tmp_path / "out", *words
    )
    assert code == 2
    assert message in err


def test_words_of_others_can_not_move_the_cursor(
    capsys: Capture, exact_folder: Path, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "bag", [target(GOOD, frame="\x1b[2J")])
    _, told, _ = evaluated(capsys, bag, "--bundle", exact_folder, "--out", tmp_path / "out")
    assert "\x1b" not in told


def test_the_help_tells_the_exit_codes(capsys: Capture) -> None:
    _, told, _ = evaluated(capsys, "--help")
    assert EXIT_CODES in " ".join(told.split())
