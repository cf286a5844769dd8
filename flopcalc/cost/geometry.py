"""The shape of one layer: the sizes that a user gives, and the sizes that formulas read.

A `Geometry` describes a two-dimensional convolution or an operator that can replace one. Formulas
read its fields; they are ints here, arrays in sweeps and symbols in `flopcalc.algebra.closed_form`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from flopcalc.cost.arith import Dim, Recorded
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip

Pair: TypeAlias = int | tuple[int, int]

# The padding that keeps the size at stride 1, for even kernels too: torch's `padding="same"`.
SAME = "same"

# Far beyond any network; every product of sizes up to this one can still be printed.
LARGEST = 10**100


# The sizes that `geometry` takes by keyword, as callers give them.
GIVEN_SIZES = ("k", "hw", "stride", "padding", "dilation", "groups", "batch")


class Geometry(NamedTuple):
    """One layer's sizes. Units: channels, pixels.

    h, w: input. h_out, w_out: output. k_h, k_w: kernel. stride, padding and dilation have one field for each axis.
    more_h, more_w: zeros at the end of an axis in addition to padding, which is at both ends (`padding="same"` with an
    even kernel). own_depth: 1 where a volume's window along the depth is that of the fields that end in _d, 0 where it
    is that of the height; `depth` is the window.
    """

    c_in: Dim
    c_out: Dim
    k_h: Dim
    k_w: Dim
    h: Dim
    w: Dim
    h_out: Dim
    w_out: Dim
    stride_h: Dim = 1
    stride_w: Dim = 1
    padding_h: Dim = 0
    padding_w: Dim = 0
    dilation_h: Dim = 1
    dilation_w: Dim = 1
    groups: Dim = 1
    batch: Dim = 1
    more_h: Dim = 0
    more_w: Dim = 0
    own_depth: int = 0
    k_d: Dim = 1
    stride_d: Dim = 1
    padding_d: Dim = 0
    dilation_d: Dim = 1
    more_d: Dim = 0

    @property
    def area(self) -> Dim:
        """Taps of the kernel, k_h * k_w."""
        return self.k_h * self.k_w

    @property
    def p_in(self) -> Dim:
        """Input positions of the whole batch, batch * h * w."""
        return self.batch * self.h * self.w

    @property
    def p_out(self) -> Dim:
        """Output positions of the whole batch, batch * h_out * w_out."""
        return self.batch * self.h_out * self.w_out

    @property
    def kernel(self) -> tuple[Dim, Dim]:
        """(k_h, k_w)."""
        return self.k_h, self.k_w

    @property
    def stride(self) -> tuple[Dim, Dim]:
        """(stride_h, stride_w)."""
        return self.stride_h, self.stride_w

    @property
    def padding(self) -> tuple[Dim, Dim]:
        """(padding_h, padding_w)."""
        return self.padding_h, self.padding_w

    @property
    def dilation(self) -> tuple[Dim, Dim]:
        """(dilation_h, dilation_w)."""
        return self.dilation_h, self.dilation_w

    @property
    def uneven(self) -> bool:
        """Whether an axis has more zeros at its end than at its start."""
        return bool(self.more_h or self.more_w or self.more_d)

    @property
    def depth(self) -> "DepthWindow":
        """The window along the depth of a volume."""
        if self.own_depth:
            return DepthWindow(self.k_d, self.stride_d, self.padding_d, self.dilation_d, self.more_d)
        return DepthWindow(self.k_h, self.stride_h, self.padding_h, self.dilation_h, self.more_h)

    def sizes(self, name: str) -> tuple[Dim, ...]:
        """k, stride, padding or dilation: (height, width), with the depth in front if it has a window of its own."""
        pair = getattr(self, f"{name}_h"), getattr(self, f"{name}_w")
        return (getattr(self, f"{name}_d"), *pair) if self.own_depth else pair

    @property
    def strided(self) -> bool:
        """Whether the output grid is coarser than the input grid."""
        return bool(self.stride_h != 1 or self.stride_w != 1)

    def __str__(self) -> str:
        """For error messages and tables: `64->128 3x3/2 56x56`."""
        text = f"{self.c_in}->{self.c_out} {by(self.sizes('k'))} {self.h}x{self.w}"
        stride, dilation = self.sizes("stride"), self.sizes("dilation")
        if set(stride) != {1}:
            text += f" stride {short(stride)}"
        if set(dilation) != {1}:
            text += f" dilation {short(dilation)}"
        if self.groups != 1:
            text += f" groups {self.groups}"
        usual = tuple(gap * (k - 1) // 2 for k, gap in zip(self.sizes("k"), dilation, strict=True))
        if self.uneven or self.sizes("padding") != usual:
            text += f" padding {padding_text(self)}"
        return text if self.batch == 1 else f"{text} batch {self.batch}"


class DepthWindow(NamedTuple):
    """Kernel, stride, padding, dilation and further zeros at the end of one axis."""

    k: Dim
    stride: Dim
    padding: Dim
    dilation: Dim
    more: Dim


def by(sizes: tuple[Dim, ...]) -> str:
    """Sizes as text: 3x5."""
    return "x".join(map(str, sizes))


def short(sizes: tuple[Dim, ...]) -> str:
    """Sizes as text, one number if all are equal: 2, 2x1."""
    return str(sizes[0]) if all(size == sizes[0] for size in sizes) else by(sizes)


def padding_text(g: Geometry) -> str:
    """The padding as text: 1, 1x0, or `same` where the two ends of an axis differ."""
    return SAME if g.uneven else short(g.sizes("padding"))


def same_padding(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """The padding that keeps the size at stride 1 for odd kernels: dilation * (k - 1) / 2."""
    return dilation[0] * (kernel[0] - 1) // 2, dilation[1] * (kernel[1] - 1) // 2


def height_and_width(hw: Any, height: Any, width: Any, *, dashes: str = "") -> Any:
    """hw, or both sides where at least one is given, which then applies to both; None where nothing is given.

    They are not checked here, except that only one of the two ways is used. dashes: those of an option of a command.
    Raises FlopcalcError (bad-dimension).
    """
    if height is None and width is None:
        return hw
    if hw is not None:
        both, one = f"{dashes}h and {dashes}w", f"{dashes}h or {dashes}w"
        raise FlopcalcError("bad-dimension", f"{dashes}hw is given together with {one}", f"give {dashes}hw, or {both}")
    return width if height is None else height, height if width is None else width


def out_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Output size of a convolution or pooling along one axis, as torch documents it for Conv2d."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def geometry(
    c_in: int,
    c_out: int | None = None,
    *,
    k: Pair = 3,
    hw: Pair = 56,
    stride: Pair = 1,
    padding: Pair | str | None = None,
    dilation: Pair = 1,
    groups: int = 1,
    batch: int = 1,
    size_out: Callable[[int, int, int, int, int], int] = out_size,
) -> Geometry:
    """A checked Geometry.

    c_out defaults to c_in, and padding to dilation * (k - 1) // 2, which keeps the size for odd kernels. padding="same"
    keeps it for even kernels too, at stride 1: as in torch the end of an axis then gets one more zero than its start. A
    pair is one int for both axes, or (height, width). size_out: computes the output size along one axis, for operators
    with another output grid than a convolution. Raises FlopcalcError (bad-dimension).
    """
    c_in = _whole("c_in", c_in)
    c_out = c_in if c_out is None else _whole("c_out", c_out)
    groups, batch = _whole("groups", groups), _whole("batch", batch)
    kernel, size = _pair("k", k), _pair("hw", hw)
    strides, dilations = _pair("stride", stride), _pair("dilation", dilation)
    pads, more = same_padding(kernel, dilations), (0, 0)
    if isinstance(padding, str):
        _check_same(padding, strides)
        more = _more(kernel[0], dilations[0]), _more(kernel[1], dilations[1])
    elif padding is not None:
        pads = _pair("padding", padding, least=0)
    grown = size[0] + more[0], size[1] + more[1]
    h_out, w_out = (size_out(*axis) for axis in zip(grown, kernel, strides, pads, dilations, strict=True))
    if h_out < 1 or w_out < 1:
        raise FlopcalcError(
            "bad-dimension",
            f"a {by(kernel)} kernel (dilation {short(dilations)}, padding {short(pads)}) does not fit "
            f"the {by(size)} input",
            "make the input larger, the kernel or its dilation smaller, or add padding",
        )
    return Geometry(
        c_in=c_in,
        c_out=c_out,
        k_h=kernel[0],
        k_w=kernel[1],
        h=size[0],
        w=size[1],
        h_out=h_out,
        w_out=w_out,
        stride_h=strides[0],
        stride_w=strides[1],
        padding_h=pads[0],
        padding_w=pads[1],
        dilation_h=dilations[0],
        dilation_w=dilations[1],
        groups=groups,
        batch=batch,
        more_h=more[0],
        more_w=more[1],
    )


def with_depth(g: Geometry, k: int, stride: int = 1, padding: int | str | None = None, dilation: int = 1) -> Geometry:
    """The geometry of a volume with this window along the depth, with the defaults of `geometry`.

    Raises FlopcalcError (bad-dimension).
    """
    kernel, step, gap = _whole("k", k), _whole("stride", stride), _whole("dilation", dilation)
    pad, more = gap * (kernel - 1) // 2, 0
    if isinstance(padding, str):
        _check_same(padding, (step,))
        more = _more(kernel, gap)
    elif padding is not None:
        pad = _whole("padding", padding, least=0)
    return g._replace(own_depth=1, k_d=kernel, stride_d=step, padding_d=pad, dilation_d=gap, more_d=more)


def _check_same(padding: str, stride: tuple[int, ...]) -> None:
    """Raise FlopcalcError (bad-dimension) for a word other than `same`, and for `same` at a stride."""
    if padding != SAME:
        why = f"padding is {clip(padding)}; it must be a whole number, 0 or more, or same"
        raise FlopcalcError("bad-dimension", why, "write padding 1")
    if any(step != 1 for step in stride):
        why = f"padding same keeps the size, and the stride is {short(stride)}"
        raise FlopcalcError("bad-dimension", why, "give the padding as a number, or leave it out")


def _more(kernel: int, dilation: int) -> int:
    """The further zeros at the end of an axis for padding `same`: one where dilation * (k - 1) cannot be halved."""
    return dilation * (kernel - 1) % 2


def resized(
    g: Geometry,
    c_in: int,
    c_out: int,
    hw: Sequence[int],
    groups: int,
    batch: int,
    size_out: Callable[[int, int, int, int, int], int] = out_size,
) -> Geometry | None:
    """The same window on another input, of whole numbers; None where `geometry` would raise an error."""
    h, w = hw
    fits = 0 < c_in <= LARGEST and 0 < c_out <= LARGEST and 0 < groups <= LARGEST
    if not (fits and 0 < h <= LARGEST and 0 < w <= LARGEST):
        return None
    _, _, k_h, k_w, _, _, _, _, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w, _, _, *rest = g
    if size_out is out_size:
        # Written out, since this runs for every layer. rest: more_h, more_w, and the depth.
        h_out = (h + rest[0] + 2 * padding_h - dilation_h * (k_h - 1) - 1) // stride_h + 1
        w_out = (w + rest[1] + 2 * padding_w - dilation_w * (k_w - 1) - 1) // stride_w + 1
    else:
        h_out = size_out(h + rest[0], k_h, stride_h, padding_h, dilation_h)
        w_out = size_out(w + rest[1], k_w, stride_w, padding_w, dilation_w)
    if h_out < 1 or w_out < 1:
        return None
    sizes = (c_in, c_out, k_h, k_w, h, w, h_out, w_out)
    window = (stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w)
    # A call of the class takes twice as long.
    return tuple.__new__(Geometry, (*sizes, *window, groups, batch, *rest))


_EXAMPLES = {"c_in": 64, "c_out": 64, "k": 3, "hw": 56}


def _whole(name: str, value: object, least: int = 1) -> int:
    if type(value) is int and least <= value <= LARGEST:
        # `as_int` gives the same, and takes longer.
        return value
    if isinstance(value, Recorded) and value >= least:  # type: ignore[operator]
        return value  # type: ignore[return-value]
    size = as_int(value)
    if size is None or not least <= size <= LARGEST:
        expected = "a positive whole number" if least else "a whole number, 0 or more"
        raise FlopcalcError(
            "bad-dimension",
            f"{name} is {clip(value)}; it must be {expected} (up to 10^100)",
            f"give {name} as a number, for example {_EXAMPLES.get(name, 1)}",
        )
    return size


def _pair(name: str, value: object, least: int = 1) -> tuple[int, int]:
    if hasattr(value, "tolist"):
        # A NumPy array of two sizes, or one NumPy number.
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return _whole(name, value[0], least), _whole(name, value[1], least)
    one = _whole(name, value, least)
    return one, one
