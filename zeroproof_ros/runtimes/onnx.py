"""Models that run in ONNX Runtime."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from functools import cache
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

MAX_MEMORY = 1 << 30
# TF32 keeps 10 bits of a float32, so a Q near a threshold would be on the other side of it.
_PROVIDER_OPTIONS = {CUDA: {"use_tf32": "0", "gpu_mem_limit": str(MAX_MEMORY)}}
# Of its log levels, the one that nothing has.
_SILENT = 4

# The types that arrive as numpy arrays.
_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(bool)": "bool"}
_DTYPES |= {f"tensor({name})": name for name in ("float16", "int64", "int32", "uint8")}


class OnnxRuntime:
    """An ONNX graph with one table as input, loaded and ready to run.

    It uses one thread and does not spin between calls: a robot has other work for its cores, and
    at these model sizes more threads are not faster. All models of a process together get
    `MAX_MEMORY` bytes for what they compute; what needs more fails instead of taking the machine.

    Args:
        path: the model file; its external data is looked up beside it.
        providers: execution providers, in order of preference. They are what runs, or it fails.
        content: the serialised model, where it was read already; `path` then only names it.

    Raises:
        ProviderUnavailableError: a provider is not in this build of ONNX Runtime, or could not
            be started.
        ModelLoadError: ONNX Runtime can not load the file, or the graph does not take one float
            table (N, F) with free N, or answers anything but tensors of numbers.
    """

    def __init__(
        self, path: Path, providers: Sequence[str] = (CPU,), *, content: bytes | None = None
    ) -> None:
        self._session = _session(path, tuple(providers), content)
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
        if any(output.dtype not in _DTYPES.values() for output in self.outputs):
            raise ModelLoadError(
                f"{path} answers {_signature(self.outputs)}, expected tensors of "
                f"{', '.join(_DTYPES.values())}",
                found=self.outputs,
                expected=tuple(_DTYPES.values()),
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
        return self._run(as_table(rows, self._width, self._dtype), None)

    def try_run(self, rows: NDArray[Any], seconds: float) -> list[NDArray[Any]]:
        """As `run`, for a model that is not trusted yet: it may take so long and no longer.

        What is running then is told to stop, which it does after the operator it is in. That is
        waited for as long again, since a thread that ends while Python exits takes it down.

        Args:
            rows: as `run`.
            seconds: of the processor, so that a busy machine refuses no model.

        Raises:
            ArrayError, ModelRunError: as `run`; also when the time is over.
        """
        table, options = as_table(rows, self._width, self._dtype), onnxruntime.RunOptions()
        answers: list[list[NDArray[Any]] | ModelRunError] = []
        clocks: queue.SimpleQueue[int] = queue.SimpleQueue()

        def work() -> None:
            clocks.put(time.pthread_getcpuclockid(threading.get_ident()))
            try:
                answers.append(self._run(table, options))
            except ModelRunError as error:
                answers.append(error)

        # A daemon, since an operator that takes minutes can not be interrupted.
        thread = threading.Thread(target=work, name="try_run", daemon=True)
        thread.start()
        clock = clocks.get()
        thread.join(seconds)
        while thread.is_alive() and _time_of(clock) < seconds:
            thread.join(seconds)
        if not answers:
            options.terminate = True
            thread.join(seconds)
            raise ModelRunError(
                f"the model did not answer {len(rows)} rows within {seconds} s", expected=seconds
            )
        (answer,) = answers
        if isinstance(answer, ModelRunError):
            raise answer
        return answer

    def _run(self, table: NDArray[Any], options: Any) -> list[NDArray[Any]]:
        try:
            return list(self._session.run(self._output_names, {self._input_name: table}, options))
        except Exception as error:  # ONNX Runtime's exceptions share no root of their own
            raise ModelRunError(f"the model failed on {len(table)} rows: {error}") from error


def _session(path: Path, providers: tuple[str, ...], content: bytes | None) -> Any:
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
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = _SILENT
    if CPU not in providers:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        _prepare_process()
        session = onnxruntime.InferenceSession(
            str(path) if content is None else content,
            options,
            providers=[(name, _PROVIDER_OPTIONS.get(name, {})) for name in providers],
            # The first computes constants outside the memory limit; exporters have done it before.
            # The second makes an operator of doubles that ONNX Runtime 1.17 does not have.
            disabled_optimizers=["ConstantFolding", "GemmActivationFusion"],
            # What fails is not tried again with other providers; old versions take it only below.
            enable_fallback=False,
        )
        session.disable_fallback()
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


def _time_of(clock: int) -> float:
    """The processor time of a thread [s], 0 for one that has ended."""
    try:
        return time.clock_gettime(clock)
    except OSError:
        return 0.0


@cache
def _prepare_process() -> None:
    """Give this process one arena of limited size for everything ONNX Runtime computes, and quiet.

    What is logged goes to stderr past every log level of ours; what matters is raised as well.
    """
    onnxruntime.set_default_logger_severity(_SILENT)
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    same_as_requested = 1
    arena = onnxruntime.OrtArenaCfg(
        {"max_mem": MAX_MEMORY, "arena_extend_strategy": same_as_requested}
    )
    onnxruntime.create_and_register_allocator(memory, arena)


def _spec(argument: Any) -> TensorSpec:
    # A free dimension has a name, or None.
    shape = tuple("?" if dim is None else dim for dim in argument.shape)
    return TensorSpec(argument.name, _DTYPES.get(argument.type, argument.type), shape)


def _signature(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype}{list(spec.shape)}" for spec in specs) or "nothing"
