"""Where and how a forward is measured: the device, the dtype, the flags; and the machine in words."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from flopcalc.errors import FlopcalcError

# Element types that torch's kernels compute in on a CPU and on a GPU; tf32 is float32 with other products.
_DTYPES = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}


class Place(NamedTuple):
    """on: cpu or cuda. dtype: as flopcalc names it. channels_last: the order of tensors with four axes.

    execution: eager, graph or compiled. training: a run is a forward and a backward pass.
    """

    on: str
    dtype: str
    channels_last: bool
    execution: str = "eager"
    training: bool = False

    @property
    def torch_dtype(self) -> torch.dtype:
        """The element type of all tensors."""
        return _DTYPES[self.dtype]


def place(on: str, dtype: str, channels_last: bool | None = None) -> Place:
    """A place that this machine has. channels_last: None for half precision on a GPU only.

    Raises FlopcalcError (no-cuda, no-dtype).
    """
    if on == "cuda" and not torch.cuda.is_available():
        raise FlopcalcError("no-cuda", "PyTorch has no CUDA device on this machine", "measure with --on cpu")
    if dtype not in _DTYPES or (dtype == "tf32" and on == "cpu"):
        known = [name for name in _DTYPES if name != "tf32" or on == "cuda"]
        why = f"{dtype} cannot be measured on {on}: PyTorch has no kernels that compute a whole network in it"
        raise FlopcalcError("no-dtype", why, f"one of: {', '.join(known)}")
    is_half = dtype in ("float16", "bfloat16") and on == "cuda"
    return Place(on, dtype, is_half if channels_last is None else channels_last)


def machine(on: str) -> str:
    """The processor or the GPU in words."""
    if on == "cuda":
        return torch.cuda.get_device_name()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def units(on: str) -> int:
    """The multiprocessors of the GPU, or the threads that torch uses on the CPU."""
    if on == "cuda":
        return int(torch.cuda.get_device_properties(torch.cuda.current_device()).multi_processor_count)
    return torch.get_num_threads()


@contextmanager
def measured_state(chosen: Place) -> Iterator[None]:
    """Products in the precision that the dtype asks for, gradients in training only; the flags stay as they are."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    try:
        if chosen.on == "cuda":
            matmul.allow_tf32 = cudnn.allow_tf32 = chosen.dtype == "tf32"
        with torch.inference_mode(False), torch.set_grad_enabled(chosen.training):
            yield
    finally:
        if chosen.on == "cuda":
            matmul.allow_tf32, cudnn.allow_tf32 = before
