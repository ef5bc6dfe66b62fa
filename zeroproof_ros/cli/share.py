"""Where the files that come with the package lie."""

from __future__ import annotations

from pathlib import Path


def share_folder() -> Path:
    """The folder that holds `config`: the checkout, or the share folder of the installation."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "config").is_dir():
        return checkout
    from ament_index_python import get_package_share_directory

    return Path(get_package_share_directory("zeroproof_ros"))
