"""What every verb does where something is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from zeroproof_ros.cli import main

ROOT = Path(__file__).parents[2]


def test_a_package_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rosbags"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("zeroproof_ros.bags")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rosbags", None)
    bag, bundle = (ROOT / "config" / name for name in ("bags/planar_2r.mcap", "bundles/planar_2r"))
    arguments = ["evaluate", str(bag), "--bundle", str(bundle), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told == "error: evaluate needs the Python package rosbags, which is not installed\n"
    assert not (tmp_path / "out").exists()


def test_a_fault_of_this_package_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeroproof_ros.reference", None)
    with pytest.raises(ModuleNotFoundError, match="zeroproof_ros.reference"):
        main(["reference", "--out", "nowhere"])
