"""A recording played to a strict_ik_node that is started for it, with its monitor."""

import sys
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

SHARE = Path(get_package_share_directory("zeroproof_ros"))

ARGUMENTS = [
    DeclareLaunchArgument("bag", description="The recording: folder or file of rosbag2."),
    DeclareLaunchArgument("rate", default_value="1.0", description="Recorded seconds per second."),
    DeclareLaunchArgument(
        "out", default_value="", description="MCAP file for what goes out and comes back."
    ),
    DeclareLaunchArgument("namespace", default_value="", description="Namespace of the nodes."),
    DeclareLaunchArgument(
        "params_file",
        default_value=str(SHARE / "config" / "strict_ik.yaml"),
        description="YAML with the parameters of strict_ik_node.",
    ),
    DeclareLaunchArgument(
        "bundle_dir",
        default_value="",
        description="Folder of the bundle; empty: as params_file says.",
    ),
    DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, ..."),
]


def replay(context: LaunchContext) -> list[ExecuteProcess]:
    """The replay; all ends with it."""

    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    namespace = given("namespace").strip("/")
    out = ["--out", given("out")] if given("out") else []
    return [
        ExecuteProcess(
            cmd=[
                *(sys.executable, "-m", "zeroproof_ros", "replay", given("bag")),
                *("--node", f"{namespace}/strict_ik_node", "--rate", given("rate"), *out),
            ],
            output="screen",
            on_exit=[Shutdown(reason="the replay has ended")],
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch zeroproof_ros replay.launch.py` starts."""
    strict_ik = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "strict_ik.launch.py")),
        launch_arguments={
            "use_sim_time": "true",
            **{
                name: LaunchConfiguration(name)
                for name in ("namespace", "params_file", "bundle_dir", "log_level")
            },
        }.items(),
    )
    return LaunchDescription([*ARGUMENTS, strict_ik, OpaqueFunction(function=replay)])
