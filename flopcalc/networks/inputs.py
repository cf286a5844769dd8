"""The inputs of a network as text: `3x224x224`, `77:int64`, `context=77x768`."""

import re
from math import prod
from typing import NamedTuple

from flopcalc.errors import FlopcalcError, clip

DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_FORM = re.compile(r"(?:([A-Za-z_]\w*)=)?([0-9]{1,10}(?:x[0-9]{1,10})*|scalar)(?::([A-Za-z]\w*))?", re.ASCII)
_HOW = "write --input 3x224x224, --input 77:int64 for token ids, --input name=77x768 for a keyword of the forward"


class Input(NamedTuple):
    """One tensor: its shape without the batch, its dtype (None: the module's own), its keyword (None: by position)."""

    shape: tuple[int, ...]
    dtype: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        """The input as `--input` takes it."""
        name = f"{self.name}=" if self.name else ""
        return f"{name}{'x'.join(map(str, self.shape)) or 'scalar'}{f':{self.dtype}' if self.dtype else ''}"


def parse_input(text: str) -> Input:
    """`[NAME=]SIZExSIZEx...[:DTYPE]`; `scalar` is one number per sample. Raises FlopcalcError (bad-dimension)."""
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise FlopcalcError(
            "bad-dimension",
            f"--input is {clip(text)}, not a shape such as channels x height x width, each from 1 to 10^9",
            _HOW,
        )
    name, sizes, dtype = found.groups()
    shape = () if sizes == "scalar" else tuple(map(int, sizes.split("x")))
    # Torch counts elements in 63 bits.
    if not all(1 <= size <= 10**9 for size in shape) or prod(shape) >= 2**62:
        raise FlopcalcError("bad-dimension", f"--input is {clip(text)}; each size is from 1 to 10^9", _HOW)
    if dtype is not None and dtype not in DTYPES:
        raise FlopcalcError("bad-dimension", f"--input has the dtype {clip(dtype)}", f"one of: {', '.join(DTYPES)}")
    return Input(shape, dtype, name)
