"""What an installed workspace must have: run in one whose setup file has been sourced.

Finds the installed files by the ament index, then starts every executable as a process of its
own, waits until its parameter service answers over DDS, interrupts it, and demands exit code 0.
"""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

# Set before rclpy reads it; far from the domains that people use, and another for each run.
os.environ["ROS_DOMAIN_ID"] = str(60 + os.getpid() % 40)

import rclpy
from ament_index_python.packages import get_package_prefix, get_package_share_directory
from rcl_interfaces.srv import GetParameters

PACKAGE = "zeroproof_ros"
# The parameters without which a node does not start, as paths in the share folder.
NODES = {
    "strict_ik_node": {"bundle_dir": "config/bundles/planar_2r"},
    "monitor_node": {},
    "arm_simulator_node": {"deployment_file": "config/robots/planar_2r.yaml"},
}
FILES = (
    "package.xml",
    "launch/*.launch.py",
    "config/*.yaml",
    "config/viewers/foxglove.json",
    "config/viewers/result.rviz",
    "config/robots/planar_2r.yaml",
    "config/bags/planar_2r.mcap",
    "config/bundles/planar_2r/metadata.json",
    "config/bundles/planar_2r/model.onnx",
)
START_TIMEOUT = STOP_TIMEOUT = 60.0  # [s], for a machine that is busy with other things


def check_files(prefix: Path, share: Path) -> list[str]:
    """What is missing, or does not come from this workspace."""
    problems = [f"{share}: no {pattern}" for pattern in FILES if not list(share.glob(pattern))]
    module = __import__(PACKAGE)
    if not Path(module.__file__).is_relative_to(prefix):
        problems.append(f"import {PACKAGE} gives {module.__file__}, expected a file in {prefix}")
    installed = importlib.metadata.version(PACKAGE)
    if installed != module.__version__:
        problems.append(f"version {installed} is installed, the code says {module.__version__}")
    return problems


def check_node(executable: Path, parameters: dict[str, Path]) -> list[str]:
    """What went wrong between the start of a node and its end."""
    name = executable.name
    if not os.access(executable, os.X_OK):
        return [f"{name}: {executable} is not an executable"]
    arguments = ["--ros-args", "-r", f"__node:={name}"]
    for parameter, path in parameters.items():
        arguments += ["-p", f"{parameter}:={path}"]
    process = subprocess.Popen([executable, *arguments])
    try:
        problems = wait_until_it_answers(process, name)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        code = process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        return [f"{name}: does not end within {STOP_TIMEOUT} s of SIGINT"]
    finally:
        process.kill()
        process.wait()
    if code != 0:
        problems.append(f"{name}: ended with exit code {code}, expected 0")
    return problems


def wait_until_it_answers(process: subprocess.Popen[bytes], name: str) -> list[str]:
    """Nothing where the node's parameter service answers, else why not."""
    deadline = time.monotonic() + START_TIMEOUT
    observer = rclpy.create_node(f"check_of_{name}")
    try:
        client = observer.create_client(GetParameters, f"/{name}/get_parameters")
        while not client.wait_for_service(timeout_sec=1.0):
            if process.poll() is not None:
                return [f"{name}: ended before it could be reached"]
            if time.monotonic() > deadline:
                return [f"{name}: /{name}/get_parameters does not appear in {START_TIMEOUT} s"]
        future = client.call_async(GetParameters.Request(names=["use_sim_time"]))
        rclpy.spin_until_future_complete(observer, future, timeout_sec=START_TIMEOUT)
        if not future.done() or len(future.result().values) != 1:
            return [f"{name}: /{name}/get_parameters does not answer"]
        return []
    finally:
        observer.destroy_node()


def main() -> int:
    """Check all; the exit code is 1 where anything is wrong."""
    prefix = Path(get_package_prefix(PACKAGE))
    share = Path(get_package_share_directory(PACKAGE))
    problems = check_files(prefix, share)
    # Signals go to the nodes; this process is to die of its own.
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    try:
        for name, paths in NODES.items():
            parameters = {parameter: share / path for parameter, path in paths.items()}
            found = check_node(prefix / "lib" / PACKAGE / name, parameters)
            print(f"{name}: {'failed' if found else 'started, answered, ended'}", flush=True)
            problems += found
    finally:
        rclpy.shutdown()
    for problem in problems:
        print(f"FAILED {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
