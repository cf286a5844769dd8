"""The functions that cost formulas are written with: one for each kind of kernel.

Each returns a `Part` with every kind of cost of that kernel (fields by position, which is faster), so
that an operator's formula only says how they are connected. Sizes: `c` channels; `p`, `p_in`,
`p_out` positions, batch included; `area` kernel taps. The cost of each kernel is defined in
docs/conventions.md and confirmed by `flopcalc verify`, which counts the same kernels in a running
module.
"""

from collections.abc import Callable, Iterable
from functools import partial

from flopcalc.cost.arith import Dim, exact_div, floor_div, maximum, minimum
from flopcalc.cost.cost import PREVIOUS, Part
from flopcalc.cost.geometry import Geometry

After = tuple[str, ...] | None

# `after=INPUT`: the part needs only the layer's input.
INPUT: tuple[str, ...] = ()
# A name in `after` for the layer's only input, next to those of parts: `after=(GIVEN, "gate")`. A product names both
# factors where one is the input: in the first layer of a network it needs no gradient.
GIVEN = "input0"
# `after=NOTHING`: it does not need the input either, since it works on weights only.
NOTHING: tuple[str, ...] = ("nothing",)

# A part of all its fields. A call of the class takes twice as long.
_part = partial(tuple.__new__, Part)
_CALL = Part._fields.index("call")


def conv(
    name: str,
    c_in: Dim,
    c_out: Dim,
    area: Dim,
    p_in: Dim,
    p_out: Dim,
    *,
    groups: Dim = 1,
    bias: bool = False,
    after: After = PREVIOUS,
) -> Part:
    """A convolution: c_out * c_in / groups * area weights, each used at every output position."""
    weights = exact_div(c_out * c_in, groups) * area
    biases = c_out * int(bias)
    params = weights + biases
    size = c_out * p_out
    return _part(
        (
            name,
            "conv",
            params,
            weights * p_out,
            biases * p_out,
            0,
            0,
            size,
            params + c_in * p_in,
            size,
            1,
            after,
            "",
            (),
        )
    )


def transposed_conv(
    name: str,
    c_in: Dim,
    c_out: Dim,
    area: Dim,
    p_in: Dim,
    p_out: Dim,
    *,
    p_other: Dim = 0,
    groups: Dim = 1,
    bias: bool = False,
    after: After = PREVIOUS,
) -> Part:
    """A transposed convolution: the weights of a convolution, each used at every input position.

    p_other: positions of a convolution of the input with the same window, which calflops takes for the output's.
    """
    plain = conv(name, c_in, c_out, area, p_in, p_out, groups=groups, bias=bias, after=after)
    weights = exact_div(c_out * c_in, groups) * area
    # It divides by the groups once more than it should.
    channels = exact_div(c_out, groups)
    calflops = 2 * area * c_in * floor_div(channels, groups) * p_in + channels * p_other * int(bias)
    # Torchprofile knows it from a convolution by its channels, and forgets the groups.
    differ = minimum(1, maximum(c_out - c_in, c_in - c_out))
    torchprofile = c_out * area * p_out * (c_in * differ + channels * (1 - differ))
    return plain._replace(macs=weights * p_in, call="ConvTranspose", extra=(weights * p_out, calflops, torchprofile))


def linear(name: str, c_in: Dim, c_out: Dim, p: Dim, *, bias: bool = True, after: After = PREVIOUS) -> Part:
    """A fully connected layer applied at p positions."""
    return conv(name, c_in, c_out, 1, p, p, bias=bias, after=after)._replace(work="linear")


def matmul(name: str, rows: Dim, inner: Dim, columns: Dim, batch: Dim = 1, *, after: After = PREVIOUS) -> Part:
    """The product of two tensors that were computed or that belong to another part, `batch` times in parallel."""
    size = batch * rows * columns
    reads = batch * inner * (rows + columns)
    return _part((name, "matmul", 0, size * inner, 0, 0, 0, size, reads, size, 1, after, "", ()))


def distances(name: str, c_in: Dim, c_out: Dim, p: Dim, *, after: After = PREVIOUS) -> Part:
    """L1 distances of p vectors to c_out vectors of weights: a difference and a sum per step, |x| free."""
    weights, size = c_in * c_out, c_out * p
    return Part(
        name,
        "distance",
        weights,
        adds=2 * weights * p,
        activations=size,
        reads=weights + c_in * p,
        writes=size,
        after=after,
    )


def norm(name: str, c: Dim, p: Dim, *, after: After = PREVIOUS) -> Part:
    """Batch normalisation in inference: one scale and one shift per element; reads four vectors."""
    size = c * p
    return _part((name, "norm", 2 * c, 0, size, size, 0, 0, size + 4 * c, size, 1, after, "", ()))


def layer_norm(name: str, c: Dim, p: Dim, *, after: After = PREVIOUS) -> Part:
    """Layer normalisation over the channels of each position, with its own mean and variance, and an affine map."""
    size = c * p
    return _part((name, "layernorm", 2 * c, 0, 3 * size, 2 * size, 0, 0, size + 2 * c, size, 1, after, "", ()))


def act(name: str, c: Dim, p: Dim, *, after: After = PREVIOUS) -> Part:
    """An activation function: one operation of the kind `other` per element."""
    size = c * p
    return _part((name, "act", 0, 0, 0, 0, size, 0, size, size, 1, after, "", ()))


def add(name: str, c: Dim, p: Dim, *, after: After = PREVIOUS) -> Part:
    """The sum of two tensors of equal shape."""
    size = c * p
    return _part((name, "add", 0, 0, size, 0, 0, 0, 2 * size, size, 1, after, "", ()))


def scale(name: str, c: Dim, p: Dim, n: Dim, *, after: After = PREVIOUS) -> Part:
    """Every channel of a tensor times one number per sample and channel."""
    size = c * p
    return _part((name, "mul", 0, 0, 0, size, 0, 0, size + n * c, size, 1, after, "", ()))


def layer_scale(name: str, c: Dim, p: Dim, *, after: After = PREVIOUS) -> Part:
    """Every channel of a tensor times a trained number."""
    size = c * p
    return _part((name, "mul", c, 0, 0, size, 0, 0, size + c, size, 1, after, "", ()))


def max_pool(name: str, c: Dim, p_in: Dim, p_out: Dim, area: Dim, *, after: After = PREVIOUS) -> Part:
    """Max pooling: one comparison for each element of each window."""
    return Part(name, "maxpool", other=c * p_out * area, reads=c * p_in, writes=c * p_out, after=after)


def avg_pool(name: str, c: Dim, p_in: Dim, p_out: Dim, area: Dim, *, after: After = PREVIOUS) -> Part:
    """Average pooling: one addition for each element of each window, one division for each window."""
    return Part(name, "avgpool", adds=c * p_out * area, other=c * p_out, reads=c * p_in, writes=c * p_out, after=after)


def pool_to_stride(name: str, c: Dim, p_in: Dim, p_out: Dim, stride: Dim, *, after: After = PREVIOUS) -> Part:
    """Average pooling whose windows lie next to each other; the last ones may reach beyond the map.

    stride: the elements of a window. Counters with exact windows count each element of the map once.
    """
    return avg_pool(name, c, p_in, p_out, stride, after=after)._replace(extra=(c * (p_out * stride - p_in),))


def global_avg_pool(name: str, c: Dim, p: Dim, n: Dim, *, after: After = PREVIOUS) -> Part:
    """The mean of each channel: one addition per element, one division per channel and sample."""
    size, means = c * p, n * c
    return _part((name, "gap", 0, 0, size, 0, means, 0, size, means, 1, after, "", ()))


def softmax(name: str, elements: Dim, rows: Dim = None, *, after: After = PREVIOUS) -> Part:
    """Softmax: per element an exponential and a division (other), and a share of the sum (adds).

    rows: the number of sums, which only other counters look at.
    """
    sums = () if rows is None else (rows,)
    return _part((name, "softmax", 0, 0, elements, 0, 2 * elements, 0, elements, elements, 1, after, "", sums))


def upsample(name: str, c: Dim, p_in: Dim, p_out: Dim, *, after: After = PREVIOUS) -> Part:
    """Nearest upsampling: reads the small grid, writes the large one."""
    return Part(name, "move", reads=c * p_in, writes=c * p_out, after=after)


def upsample_to(name: str, c: Dim, p_in: Dim, p_out: Dim, n: Dim, *, after: After = PREVIOUS) -> Part:
    """Nearest upsampling, where modules give the size that is wanted and not a factor."""
    part = upsample(name, c, p_in, p_out, after=after)
    return part._replace(call="F.interpolate to size", extra=(exact_div(p_out, n),))


def copy(name: str, elements: Dim, index: Dim = 0, *, after: After = PREVIOUS) -> Part:
    """A kernel that only moves data (concatenation, gather); `index`: elements of an index it reads."""
    return _part((name, "move", 0, 0, 0, 0, 0, 0, elements + index, elements, 1, after, "", ()))


def unfold(name: str, c: Dim, p_in: Dim, p_out: Dim, area: Dim, *, after: After = PREVIOUS) -> Part:
    """Neighbourhoods copied into rows: reads the input once, writes `area` values for each output."""
    return Part(name, "move", reads=c * p_in, writes=c * p_out * area, after=after)


def called(how: str, part: Part) -> Part:
    """A part whose kernel a module calls in another way than usual, such as `F.relu` or `Sigmoid`; see `cost.calls`."""
    # As `part._replace(call=how)`, which takes four times as long.
    return _part((*part[:_CALL], how, *part[_CALL + 1 :]))


def chain(name: str, first: Part, second: Part) -> Part:
    """Two kernels in a row as one part, with the kind of work and the `after` of the first."""
    return Part(
        name,
        first.work,
        first.params + second.params,
        first.macs + second.macs,
        first.adds + second.adds,
        first.muls + second.muls,
        first.other + second.other,
        first.activations + second.activations,
        first.reads + second.reads,
        first.writes + second.writes,
        first.steps + second.steps,
        first.after,
        first.call,
        first.extra,
    )


def after_padding(g: Geometry, part: Part, d_padded: Dim = 1) -> Part:
    """The convolution, after a kernel that pads its input where the two ends of an axis differ, as torch does it.

    part: the convolution as if it read the plain input. d_padded: depth of a volume's input with its zeros.
    """
    if not g.uneven:
        return part
    # The padding reads the plain input, and the convolution what the padding writes.
    padded = g.c_in * d_padded * g.batch * (g.h + g.more_h) * (g.w + g.more_w)
    return part._replace(reads=part.reads + padded, writes=part.writes + padded, steps=part.steps + 1)


def times(count: Dim, part: Part) -> Part:
    """The same part `count` times in a row."""
    return _multiplied(count, part, count * part.steps)


def parallel(count: Dim, part: Part) -> Part:
    """The same part `count` times in parallel: none waits for another."""
    return _multiplied(count, part, part.steps)


def _multiplied(count: Dim, part: Part, steps: Dim) -> Part:
    name, work, params, macs, adds, muls, other, activations, reads, writes, _, after, call, extra = part
    return Part(
        name,
        work,
        count * params,
        count * macs,
        count * adds,
        count * muls,
        count * other,
        count * activations,
        count * reads,
        count * writes,
        steps,
        after,
        call,
        tuple([count * size for size in extra]),
    )


def when(flag: bool, build: Callable[[], Iterable[Part]]) -> Iterable[Part]:
    """Parts that exist only where a structural option is set.

    `flag` must be a real bool: a comparison of symbols or arrays would be silently wrong.
    """
    if type(flag) is not bool:
        raise TypeError(f"a structural flag must be a bool, not {type(flag).__name__}")
    return build() if flag else ()


def finish(name: str, c: Dim, p: Dim, norm_after: bool, act_after: bool, label: str = "") -> Iterable[Part]:
    """The kernels after a convolution called `name` in most modules: `name.norm`, then `name.act`.

    label: how modules call the activation, see `called`.
    """
    yield from when(norm_after, lambda: (norm(f"{name}.norm", c, p),))
    yield from when(act_after, lambda: (called(label, act(f"{name}.act", c, p)),))
