"""Models that run in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from zeroproof_ros.errors import ModelLoadError, ModelRunError, ProviderUnavailableError
from zeroproof_ros.runtimes.runtime import TensorSpec, as_table

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
# What a parameter or command line calls a provider.
DEVICES = {"cpu": CPU, "cuda": CUDA}

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(bool)": "bool"}
_DTYPES |= {f"tensor({name})": name for name in ("float16", "int64", "int32", "uint8")}


class OnnxRuntime:
    """An ONNX graph with one table as input, loaded and ready to run.

    It uses one thread and does not spin between calls: a robot has other work for its cores, and
    at these model sizes more threads are not faster.

    Args:
        path: the model file; its external data is looked up beside it.
        providers: execution providers, in order of preference. They are what runs, or it fails.

    Raises:
        ProviderUnavailableError: a provider is not in this build of ONNX Runtime, or could not
            be started.
        ModelLoadError: ONNX Runtime can not load the file, or the graph does not take one float
            table (N, F) with free N.
    """

    def __init__(self, path: Path, providers: Sequence[str] = (CPU,)) -> None:
        self._session = _session(path, tuple(providers))
        self.providers = tuple(providers)
        self.inputs = tuple(map(_spec, self._session.get_inputs()))
        self.outputs = tuple(map(_spec, self._session.get_outputs()))
        self._output_names = [output.name for output in self.outputs]
        (table,) = self.inputs if len(self.inputs) == 1 else (None,)
        if table is None or len(table.shape) != 2 or table.dtype not in ("float32", "float64"):
            raise ModelLoadError(
                f"{path} takes {_signature(self.inputs)}, expected one float32 or float64 table "
                "(batch, features)",
                found=self.inputs,
                path=path,
            )
        batch, width = table.shape
        if isinstance(batch, int) or not isinstance(width, int):
            raise ModelLoadError(
                f"{path} takes {_signature(self.inputs)}, expected a free batch axis and a fixed "
                "number of features; export with dynamic axis 0",
                found=table.shape,
                path=path,
            )
        self._input_name, self._width, self._dtype = table.name, width, np.dtype(table.dtype)

    def run(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """Outputs in the graph's order for rows (N, F).

        Any real dtype is taken and converted to the dtype of the graph.

        Raises:
            ArrayError: see `as_table`.
            ModelRunError: ONNX Runtime raised.
        """
        table = as_table(rows, self._width, self._dtype)
        try:
            return list(self._session.run(self._output_names, {self._input_name: table}))
        except Exception as error:  # ONNX Runtime's exceptions share no root of their own
            raise ModelRunError(f"the model failed on {len(rows)} rows: {error}") from error

    def warm_up(self) -> None:
        """Run once, so that the first real row does not pay for allocation and planning."""
        self.run(np.zeros((1, self._width), dtype=self._dtype))


def _session(path: Path, providers: tuple[str, ...]) -> Any:
    available = onnxruntime.get_available_providers()
    missing = [provider for provider in providers if provider not in available]
    if missing or not providers:
        raise ProviderUnavailableError(
            f"provider {', '.join(missing) or 'none'} was asked for; available here: "
            f"{', '.join(available)}. Install the onnxruntime build that has it",
            found=providers,
            expected=tuple(available),
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # Its warnings go to stderr past every log level; what matters is raised or reported by us.
    options.log_severity_level = 3
    if CPU not in providers:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # ONNX Runtime's exceptions share no root of their own
        raise ModelLoadError(
            f"{path} does not load in ONNX Runtime {onnxruntime.__version__}: {error}", path=path
        ) from error
    in_use = tuple(session.get_providers())[: len(providers)]
    if in_use != providers:
        raise ProviderUnavailableError(
            f"providers {', '.join(providers)} were asked for, but {', '.join(in_use)} would run",
            found=in_use,
            expected=providers,
        )
    return session


def _spec(argument: Any) -> TensorSpec:
    # A free dimension has a name, or None.
    shape = tuple("?" if dim is None else dim for dim in argument.shape)
    return TensorSpec(argument.name, _DTYPES.get(argument.type, argument.type), shape)


def _signature(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype}{list(spec.shape)}" for spec in specs) or "nothing"
