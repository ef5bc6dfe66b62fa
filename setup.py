"""Installs the package where ROS 2 looks for its parts; its name and version are in package.xml."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from setuptools import find_packages, setup

manifest = ET.parse(Path(__file__).with_name("package.xml")).getroot()


def told(tag: str) -> str:
    """The text of an element of package.xml."""
    return manifest.findtext(tag, "").strip()


def files(pattern: str) -> list[str]:
    """The files that a pattern finds, as paths relative to this file's folder."""
    return [str(path) for path in sorted(Path().glob(pattern)) if path.is_file()]


name = told("name")
share = f"share/{name}"

setup(
    name=name,
    version=told("version"),
    description=told("description"),
    license=told("license"),
    maintainer=told("maintainer"),
    maintainer_email=manifest.find("maintainer").attrib["email"],
    packages=find_packages(include=[name, f"{name}.*"]),
    package_data={
        name: ["py.typed"],
        f"{name}.bags": ["evaluation.schema.json"],
        f"{name}.bags.page": ["page.css", "page.js"],
        f"{name}.bundle": ["metadata.schema.json"],
        f"{name}.monitor": ["event.schema.json"],
        f"{name}.report": ["artifacts.schema.json"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{name}"]),
        (share, ["package.xml"]),
        (f"{share}/launch", files("launch/*.launch.py")),
        (f"{share}/config", files("config/*.yaml")),
        (f"{share}/config/viewers", files("config/viewers/*")),
        (f"{share}/config/robots", files("config/robots/*")),
        (f"{share}/config/bags", files("config/bags/*")),
        *((f"{share}/{path}", files(f"{path}/*")) for path in Path().glob("config/bundles/*")),
    ],
    python_requires=">=3.10",
    # What it needs at run time is told to rosdep by package.xml; pip must not get in its way.
    install_requires=["setuptools"],
    extras_require={"test": ["pytest"]},
    zip_safe=False,
    entry_points={
        "console_scripts": [
            f"{node} = {name}.nodes.{node}:main"
            for node in ("strict_ik_node", "monitor_node", "arm_simulator_node")
        ],
    },
)
