"""The inputs of a network: as records, and as text such as `3x224x224`, `77:int64`, `context=77x768`."""

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Literal, NamedTuple, SupportsIndex, TypeAlias

from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip

DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "complex128", "complex64"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
)
# Names of axes, and the symbol of each in closed forms; two names may be one axis.
AXIS_SYMBOLS = {
    "batch": "N",
    "height": "H",
    "width": "W",
    "tokens": "T",
    "length": "T",
    "depth": "D",
    "frames": "D",
}
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


On: TypeAlias = Literal["auto", "meta", "cpu"]
# Shared, and so never changed.
_NOTHING: Mapping[str, Any] = {}


class ForwardCall(NamedTuple):
    """How a Python model is called, apart from its tensors.

    method: the method that is counted. on: the device of the pass: meta, where nothing is computed; cpu, with real
    values; or auto, which is meta, and cpu where the forward reads values. arguments: keywords that are not tensors.
    """

    method: str = "forward"
    on: On = "auto"
    arguments: Mapping[str, Any] = _NOTHING


# The plain call: tensors only.
FORWARD = ForwardCall()


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
    if not all(1 <= size <= 10**9 for size in shape):
        raise FlopcalcError("bad-dimension", f"--input is {clip(text)}; each size is from 1 to 10^9", _HOW)
    # Torch counts elements in 63 bits.
    if prod(shape) >= 2**62:
        raise FlopcalcError("bad-dimension", f"--input is {clip(text)}; its sizes multiply to more than 10^18", _HOW)
    if dtype is not None and dtype not in DTYPES:
        raise FlopcalcError("bad-dimension", f"--input has the dtype {clip(dtype)}", f"one of: {', '.join(DTYPES)}")
    return Input(shape, dtype, name)


# One input as callers in Python write it: (3, 224, 224), "77:int64", or a record.
InputLike: TypeAlias = str | Input | SupportsIndex | Sequence[SupportsIndex]


def as_inputs(given: InputLike | Sequence[InputLike] | None) -> tuple[Input, ...]:
    """The inputs that a caller in Python names: one shape without the batch, one text, or a sequence of these.

    A single number is a shape of one size, which described networks take as height and width. Raises FlopcalcError
    (bad-dimension) for anything else.
    """
    if given is None:
        return ()
    if isinstance(given, Input):
        return (given,)
    if isinstance(given, str):
        return (parse_input(given),)
    if (size := as_int(given)) is not None:
        return (parse_input(str(size)),)
    if isinstance(given, Sequence) and not isinstance(given, bytes | bytearray):
        sizes = [as_int(one) for one in given]
        if all(size is not None for size in sizes):
            return (parse_input("x".join(map(str, sizes)) or "scalar"),)
        if all(size is None for size in sizes) and not any(one is None for one in given):
            return tuple(one for each in given for one in as_inputs(each))
    raise FlopcalcError(
        "bad-dimension",
        f"the input is {clip(given)}, not a shape, a text, or a list of these",
        'write (3, 224, 224), without the batch; "77:int64" for token ids; a list of these for several inputs',
    )


def one_shape(inputs: Sequence[Input]) -> tuple[int, ...] | None:
    """The shape of the one input that a described network takes; None for its own. Raises FlopcalcError."""
    if not inputs:
        return None
    if len(inputs) > 1 or inputs[0].dtype or inputs[0].name or not inputs[0].shape:
        text = " and ".join(map(str, inputs))
        raise FlopcalcError(
            "bad-dimension",
            f"--input is {clip(text)}: a described network takes one, channels x height x width, each from 1 to 10^9",
            "write --input 3x224x224",
        )
    return inputs[0].shape
