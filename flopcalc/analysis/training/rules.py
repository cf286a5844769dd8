"""The backward pass of one part of a layer, by its kind of work.

A product has two factors, and the gradient of each costs as many MACs as the product itself, whatever the groups,
the stride or the direction: it has one multiply-add for each pair of a factor's element and an output that they share.
Only the gradients that are wanted are computed. The rules for element-wise work are those of torch's kernels, as
docs/training.md lists them; `flopcalc.pytorch` has the same rules a second time, on tensors.
"""

from typing import Any, NamedTuple

from flopcalc.cost.arith import Dim, exact_div, highest, minimum
from flopcalc.cost.calls import how
from flopcalc.cost.cost import PREVIOUS, Part, Parts

# Torchvision's kernel of a deformable convolution.
DEFORMABLE = "torchvision.ops.deform_conv2d"
# The kernel of adaptive pooling to more than one cell.
TO_CELLS = "AdaptiveAvgPool to cells"
# Kinds of work that multiply by weights of their own, or by weights that were computed.
WEIGHTED = frozenset({"conv", "linear", "distance", "mixed"})


class Wanted(NamedTuple):
    """The gradients that are wanted. data: the number of those of computed inputs. weights: those of the weights.

    share: the share of the gradient of the input that is wanted, as (part, whole); None for all. of_weights: the number
    of gradients of tensors that do not depend on the network's input, weights above all. read: the elements of the
    weights that a product reads, where other parts compute them; None where they are its own. factors: of an
    element-wise product of two tensors, whether each of them wants one, the larger tensor first; None for others.
    """

    data: int
    weights: bool
    share: tuple[Dim, Dim] | None = None
    of_weights: int = 0
    read: Dim | None = None
    factors: tuple[bool, bool] | None = None

    @property
    def total(self) -> int:
        """The number of gradients."""
        return self.data + int(self.weights)


def in_training(part: Part) -> Part:
    """The part of the forward pass in training: batch norm computes the mean and the variance of its input."""
    if part.work == "norm" and not _is_constant(part):
        return part._replace(adds=3 * part.writes, muls=2 * part.writes)
    return part


def _is_constant(part: Part) -> bool:
    """Whether a batch norm has statistics, scale and shift that are constants."""
    return part.call.startswith("BatchNorm") and part.call.endswith("without affine")


def is_comparison(part: Part) -> bool:
    """Whether a part gives truth values, through which no gradient passes."""
    return part.work == "other" and how(part).operator == "gt"


def backward(part: Part, wanted: Wanted) -> Parts:
    """The parts of the backward pass of a part; none where no gradient is wanted, or where it is passed on as it is."""
    if not wanted.total or is_comparison(part):
        return ()
    if part.work in ("conv", "linear", "mixed"):
        found = tuple(_of_weighted(part, wanted))
        return _of_deformable(part, *found) if part.call == DEFORMABLE else found
    if part.work == "matmul":
        gradients = int(wanted.total)
        reads = part.reads + gradients * part.writes
        return (_gradient(part, wanted, macs=gradients * part.macs)._replace(reads=reads),)
    if part.call == "own RMSNorm":
        return (_of_rms_norm(part, wanted),)
    if wanted.factors is not None and not all(wanted.factors):
        return (_of_one_factor(part, of_large=wanted.factors[0]),)
    adds, muls, other = _elementwise(part, wanted)
    if all(type(one) is int and one == 0 for one in (adds, muls, other)) and part.work != "move":
        # A sum hands its gradient on, and needs no kernel.
        return ()
    return (_gradient(part, wanted, adds=adds, muls=muls, other=other),)


def _of_weighted(part: Part, wanted: Wanted) -> "list[Part]":
    """One product for the input, one for the weights, and a sum over all positions for the bias."""
    weights = _weights(part, wanted)
    inputs = part.reads - weights
    found = []
    if wanted.data:
        found.append(
            Part(
                f"{part.name}.grad_input",
                part.work,
                macs=part.macs if wanted.share is None else exact_div(part.macs * wanted.share[0], wanted.share[1]),
                activations=inputs,
                reads=part.writes + weights,
                writes=inputs,
                steps=part.steps,
            )
        )
    if wanted.weights:
        found.append(
            Part(
                f"{part.name}.grad_weight",
                part.work,
                macs=part.macs,
                adds=part.adds,
                activations=weights,
                reads=part.writes + inputs,
                writes=weights,
                # It runs next to the gradient of the input.
                steps=0 if wanted.data else part.steps,
            )
        )
    return found


def _of_deformable(part: Part, of_input: Part, of_weights: Part) -> Parts:
    """Also the gradients of what a tap is made of; the kernel computes both products' in any case.

    The value again, for the weights: 4 products, 3 sums (which the part has). Four positions: 4 products and sums; two
    offsets: 3 products and 4 sums each. With a mask: value and gradient times it, and a product and a sum for its own.
    """
    taps = exact_div(part.adds - part.activations, 3)
    masked = part.muls - 4 * taps
    return (
        of_input._replace(adds=12 * taps + masked, muls=10 * taps + 2 * masked),
        of_weights._replace(muls=4 * taps + masked),
    )


def _weights(part: Part, wanted: Wanted) -> Any:
    return part.params if wanted.read is None else wanted.read


def _gradient(part: Part, wanted: Wanted, macs: Dim = 0, adds: Dim = 0, muls: Dim = 0, other: Dim = 0) -> Part:
    """A part that reads what the part read and the gradient of what it wrote, and writes the wanted gradients."""
    weights = _weights(part, wanted)
    # A batch norm also reads statistics, which have no gradient.
    inputs = part.writes if part.work == "norm" else part.reads - weights
    return Part(
        f"{part.name}.gradient",
        part.work,
        macs=macs,
        adds=adds,
        muls=muls,
        other=other,
        activations=inputs if part.work == "matmul" else 0,
        reads=part.writes if part.work in _NOTHING_KEPT or _is_constant_factor(part) else part.reads + part.writes,
        writes=(inputs if wanted.data else 0) + (weights if wanted.weights else 0),
        steps=part.steps,
    )


def _is_constant_factor(part: Part) -> bool:
    """Whether a product reads one tensor only: the other factor is a number."""
    return part.work == "mul" and bool(part.reads == part.writes)


def _of_product(part: Part, wanted: Wanted) -> tuple[Dim, Dim, Dim]:
    """The gradient of each factor is a product; that of a trained or repeated factor is summed."""
    size, trained, data = part.muls, int(wanted.weights), int(bool(wanted.data))
    if _is_constant_factor(part):
        return 0, size, 0
    if type(part.params) is not int or part.params:
        return trained * size, (trained + data) * size, 0
    repeated = minimum(1, highest([0, 2 * size - part.reads]))
    second = size if wanted.share is None else exact_div(size * wanted.share[0], wanted.share[1])
    return repeated * size, size + second, 0


def _of_one_factor(part: Part, of_large: bool) -> Part:
    """A product with a tensor that wants no gradient: the gradient times that tensor, summed where it was repeated."""
    size = part.muls
    small = part.reads - size
    return Part(
        f"{part.name}.gradient",
        part.work,
        adds=0 if of_large else minimum(1, size - small) * size,
        muls=size,
        reads=size + (small if of_large else size),
        writes=size if of_large else small,
        steps=part.steps,
    )


def _of_norm(part: Part, wanted: Wanted) -> tuple[Dim, Dim, Dim]:
    size, trained, data = part.writes, int(wanted.weights), int(bool(wanted.data))
    if part.work == "layernorm":
        # The normalised input; two sums for the weights; the scale, two means, their combination.
        return (1 + 2 * trained + 4 * data) * size, (1 + trained + 4 * data) * size, 0
    if _is_constant(part):
        return 0, size, 0
    # The normalised input; two sums, which the weights and the two means have in common; their combination.
    return (3 + 2 * data) * size, (2 + 2 * data) * size, 0


def _of_rms_norm(part: Part, wanted: Wanted) -> Part:
    """The kernels behind those of the forward pass, whose sizes are all elements, the positions, or the channels.

    Of the scale: the gradient times the normalised input, summed. Of the input: the gradient times the scale; once
    times the inverse root; and once times the input, summed, times the derivative of the root (a power and two
    products), over the number of channels, and times the derivative of the square (a power, a factor, a product). The
    two are added.
    """
    (positions,) = part.extra
    size, trained, data = part.other - 2 * positions, int(wanted.weights), int(bool(wanted.data))
    return Part(
        f"{part.name}.gradient",
        part.work,
        adds=(trained + 2 * data) * size,
        muls=(trained + 5 * data) * size + 2 * data * positions,
        other=data * (2 * size + positions),
        reads=(3 * trained + 11 * data) * size + data * (part.params + 6 * positions),
        writes=(trained + 8 * data) * size + trained * part.params + 4 * data * positions,
        # The scale's gradient is beside the longer way to the input's.
        steps=7 if data else 2,
    )


# Their gradients need nothing of the forward pass.
_NOTHING_KEPT = frozenset({"add", "move", "avgpool", "gap"})


def _elementwise(part: Part, wanted: Wanted) -> tuple[Dim, Dim, Dim]:
    """Additions, multiplications and other operations."""
    size = part.writes
    trained = int(wanted.weights)
    match part.work:
        case "norm" | "layernorm":
            return _of_norm(part, wanted)
        case "softmax":
            # In the forward pass an exponential and a division for each element; the part may also copy them.
            return part.other, part.other, 0
        case "act":
            return trained * size, 0, part.other * int(bool(wanted.data or wanted.weights))
        case "add" if part.call == "+ and -":
            sums, signs = part.extra
            return sums, 0, signs
        case "add":
            return trained * size, 0, size if how(part).operator == "sub" and wanted.data else 0
        case "mul":
            return _of_product(part, wanted)
        case "maxpool":
            return size, 0, 0
        case "avgpool":
            return part.adds, 0, part.other
        case "gap":
            # The mean of a channel is handed out and divided; those of cells are added, as in average pooling.
            return (part.adds, 0, part.other) if part.call == TO_CELLS else (0, 0, part.reads)
        case "distance":
            steps = exact_div(part.adds, 2)
            return 2 * steps * wanted.total, steps * wanted.total, 0
        case "move":
            return _copied(part, trained), 0, 0
        case "other":
            return _of_function(part)
    return part.adds, part.muls, part.other


def _copied(part: Part, trained: int) -> Dim:
    """Where elements are copied several times, each gradient is added to that of the element."""
    match how(part).operator:
        case "upsample_nearest2d" | "index":
            return part.writes
        case "expand":
            return minimum(1, part.writes - part.reads) * part.writes
        case "flip":
            return 0
    # Trained values are gathered or repeated; put beside a layer's input, as a class token, without its values.
    return trained * (part.writes - (part.reads - part.params if part.after is PREVIOUS else 0))


def _of_function(part: Part) -> tuple[Dim, Dim, Dim]:
    """Of a function whose kernels are named by the operator that runs in the forward pass."""
    adds, muls, other, size = part.adds, part.muls, part.other, part.writes
    match how(part).operator:
        case "upsample_bilinear2d":
            # Each gradient is added to those of all four taps: four sums, and three in the forward pass.
            return muls, muls, 0
        case "sum":
            return 0, 0, 0
        case "mean":
            # It is handed out, and divided.
            return 0, 0, adds
        case "amax":
            # The elements that are equal to the maximum, their number, the share of one, and each of them times it.
            return other, other, other + size
        case "exp":
            # Times the result. extra: elements whose sign changes after that.
            signs = sum(part.extra)
            return 0, other - signs, signs
        case "pow":
            # Times the exponent, times a power.
            return 0, 2 * other, other
        case "linalg_vector_norm":
            # Of each vector: its direction, but 0 where the norm is 0, times the gradient.
            return 0, adds, adds + size
        case "div":
            # Over the divisor; and the quotient, computed again, over the divisor, with another sign, times the
            # gradient, summed where the divisor is repeated.
            repeated = minimum(1, highest([0, 2 * other - part.reads]))
            return repeated * other, other, 4 * other
        case "fft_rfft2":
            # A transform of complex numbers, of all frequencies.
            return 2 * adds, 2 * muls, 0
        case "fft_irfft2":
            # A transform of real numbers; frequencies that count for two are doubled.
            return adds, muls + 2 * (size - part.reads), 0
    return adds, muls, other
