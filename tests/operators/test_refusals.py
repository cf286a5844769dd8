"""What a refusal says is so: its numbers are those of the shape and the options, and they break what it names."""

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import product
from typing import Any

import drawn
import pytest
from helpers import for_author

from flopcalc import FlopcalcError
from flopcalc.catalog import lookup
from flopcalc.catalog.cases import along_axes
from flopcalc.spec.operator import Operator

N = r"(-?\d+(?:/\d+)?)"
NAME = r"[a-z_0-9]+"


def _pair(text: str) -> tuple[int, ...]:
    found = _sizes(text)
    return found * 2 if len(found) == 1 else found


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split("x"))


def _product(text: str) -> int:
    found = 1
    for one in _sizes(text):
        found *= one
    return found


def _cut(a: Any, share: Any, c: Any) -> bool:
    return bool(a == share * c // 1)


def _over(sizes: str, by: str) -> bool:
    return any(a % b for a, b in zip(*_alike(sizes, by), strict=True))


def _outside(window: str, sizes: str) -> bool:
    return any(a > b for a, b in zip(*_alike(window, sizes), strict=False))


def _larger(a: int, stride: str, dilation: str) -> bool:
    return any(a >= max(one) for one in zip(*_alike(stride, dilation), strict=True))


def _changes_the_size(kernel: str, padding: str) -> bool:
    return any(2 * pad != k - 1 for k, pad in zip(*_alike(kernel, padding), strict=True))


def _alike(one: str, other: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes along as many axes."""
    a, b = _sizes(one), _sizes(other)
    return (a * len(b) if len(a) == 1 else a), (b * len(a) if len(b) == 1 else b)


# Wordings, and what is so where they are true. A group is a number or a list of sizes, as it is written.
CLAIMS: tuple[tuple[str, Callable[..., bool]], ...] = (
    (rf"= {N} does not divide (?:both )?{NAME} = {N}$", lambda a, b: b % a != 0),
    (rf"= {N} does not divide both .+ = {N} and .+ = {N}$", lambda a, b, c: b % a != 0 or c % a != 0),
    (rf"= {N} does not divide the {N} channels$", lambda a, b: b % a != 0),
    (rf"= {N} does not divide the {N} squeezed channels and c_out = {N}$", lambda a, b, c: b % a != 0 or c % a != 0),
    (rf"= {N} is not divisible by {NAME} = {N}$", lambda a, b: a % b != 0),
    (
        rf"^the {N} .+ \* c_in = {N} \* {N}\) are not divisible by {NAME} = {N}$",
        lambda a, x, c, b: _cut(a, x, c) and a % b,
    ),
    (rf"= {N} is not a multiple of {N} and of {NAME} = {N}$", lambda a, b, c: a % b != 0 or a % c != 0),
    (rf"^groups = {N}(?:, and this operator has no grouped form)?$", lambda a: a > 1),
    (r"^it is depthwise, ", lambda: True),
    (rf"^groups = {N}, and a depthwise convolution has c_in groups$", lambda a: a > 1),
    # Of a dense product all columns are needed, whatever the size.
    (rf"^block_size = {N} skips columns, and without causal ", lambda a: a > 0),
    (rf"^alpha = {N} and squeeze = {N} leave a branch without channels$", lambda a, b: 0 < a <= 1 and b > 0),
    (rf"c_in = {N} and c_out = {N} differ$", lambda a, b: a != b),
    (rf"c_in = {N} is not c_out = {N}$", lambda a, b: a != b),
    (rf"^c_out = {N} is not c_in \* multiplier = {N} \* {N}$", lambda a, b, c: a != b * c),
    (rf"= {N} \+ {N} is not c_out = {N}$", lambda a, b, c: a + b != c),
    (rf"= {N} / {N} is less than one channel$", lambda a, b: 0 <= a < b),
    (rf"= {N} \* {N} is less than one (?:representative )?channel$", lambda a, b: 0 <= a * b < 1),
    (rf"= {N} of {N} channels is less than one channel$", lambda a, b: 0 <= a * b < 1),
    (rf"= {N} // {N} is 0, and ", lambda a, b: a // b == 0),
    (rf"(?:kernel|=) {N} is even, and ", lambda a: a % 2 == 0),
    (rf"^c_out = {N} is odd$", lambda a: a % 2 == 1),
    (rf"^(?:c_out = )?{N} (?:channels have|has) no halves$", lambda a: a % 2 == 1),
    (rf"= {N} is more than {NAME} = {N}$", lambda a, b: a > b),
    (rf"= {N} is not more than {NAME} = {N}$", lambda a, b: a <= b),
    (rf"= {N} is not less than the hidden size c_out = {N}$", lambda a, b: a >= b),
    (rf"^a shift of {N} is not less than the window of {N}$", lambda a, b: a >= b),
    (rf"= {N} is not between 1 and {N} channels$", lambda a, b: not 1 <= a <= b),
    (rf"= {N} and {NAME} = {N} must both be at least 1$", lambda a, b: a < 1 or b < 1),
    (rf"^{N} channels are too few for {N} offsets$", lambda a, b: a < b),
    (rf"^{N} kernels are more than the {N} channels$", lambda a, b: a > b),
    (rf"c_in = {N} channels, and c_out = {N} has no more for ", lambda a, b: b <= a),
    (rf"keeps {N} channels, and there are {N} output channels$", lambda a, b: a >= b),
    (rf"^rank {N} of a {N} x {N} matrix$", lambda r, a, b: not 1 <= r <= min(a, b)),
    (rf"^at depth {N}, {N} input channels are copied, and the input has {N}$", lambda d, a, b: a > b),
    (rf"^at depth {N}, {N} surplus channels are not fewer than .+, {N}$", lambda d, a, b: a >= b),
    (
        rf"= {N} gives the (?:in|out)put {N} low and {N} high channels$",
        lambda share, a, b: a == share * (a + b) // 1 and (a < 1 or b < 1),
    ),
    (rf"= {N} is given, and .+ own {N} channels$", lambda a, b: a != b),
)
# The same of sizes along both axes, which are written as one number where they agree.
SIZES: tuple[tuple[str, Callable[..., bool]], ...] = (
    (r"^(?:stride|dilation) ([0-9x]+)$", lambda a: set(_sizes(a)) != {1}),
    (r"^stride ([0-9x]+), and the operator has 1 or 2$", lambda a: a not in ("1", "2")),
    (r"(?:stride|dilation) ([0-9x]+), and the operator has stride k inside$", lambda a: a != "1"),
    (r"^stride ([0-9x]+) and dilation ", lambda a: a != "1"),
    (r"^it keeps the size, and a ([0-9x]+) convolution with padding ([0-9x]+) does not$", _changes_the_size),
    (r"has 3x3 filters at stride 1, not ([0-9x]+) at stride ([0-9x]+)$", lambda k, s: (k, s) != ("3x3", "1x1")),
    (r"^the kernel is ([0-9x]+)$", lambda a: a != "1x1"),
    (r"^a ([0-9x]+) kernel, and its tiles are those of a 3x3 kernel$", lambda a: a != "3x3"),
    (r"the ([0-9x]+) (?:in|out)put cannot be halved$", lambda a: any(one % 2 for one in _sizes(a))),
    (r"^([0-9x]+) is not a multiple of the ([0-9x]+) kernel$", _over),
    (r"^([0-9x]+) cannot be divided into ([0-9x]+) \w+$", _over),
    (r"^a map of ([0-9x]+) has no window of ([0-9x]+)$", lambda a, b: _outside(b, a)),
    (r"^small = ([0-9]+) does not fit into a kernel of ([0-9x]+)$", lambda a, b: int(a) > min(_sizes(b))),
    (
        r"^neighbourhood ([0-9x]+) does not fit in dims ([0-9x]+)$",
        lambda a, b: _outside(a, b) or len(_sizes(a)) != len(_sizes(b)),
    ),
    (r"^dims ([0-9x]+) have (\d+) channels, and the layer has (\d+)$", lambda d, a, b: _product(d) == int(a) != int(b)),
    (r"needs padding ([0-9x]+), not ([0-9x]+)$", lambda a, b: a != b),
    (r"a ([0-9x]+) kernel has no centre$", lambda a: any(one % 2 == 0 for one in _sizes(a))),
    (r"the \w+ ([0-9x]+) is not square, and ", lambda a: len(set(_sizes(a))) == 2),
    (
        r"^a kernel of (\d+) \(dilation (\d+)\) does not fit the depth (\d+)$",
        lambda k, d, a: int(d) * (int(k) - 1) + 1 > int(a),
    ),
    (
        r"= (\d+) is not less than the stride ([0-9x]+) or the dilation ([0-9x]+)$",
        lambda a, s, d: _larger(int(a), s, d),
    ),
)


# Sizes of the shape, by the words before or behind them.
OF_SHAPES: tuple[tuple[str, str], ...] = (
    (r"(?:^|the |not [0-9x]+ at )stride ([0-9x]+)", "stride"),
    (r"(?:^|and |the )dilation ([0-9x]+)", "dilation"),
    (r"(?:the|with) padding ([0-9x]+)", "padding"),
    (r"padding [0-9x]+, not ([0-9x]+)$", "padding"),
    (r"kernel (?:is |of )?([0-9]+x[0-9]+)", "kernel"),
    (r"([0-9]+x[0-9]+) kernel(?: has|, and)", "kernel"),
    (r"multiple of the ([0-9]+x[0-9]+) kernel", "kernel"),
    (r"not ([0-9x]+) at stride", "kernel"),
    (r"a ([0-9x]+) convolution with", "kernel"),
    (r"the ([0-9x]+) input", "map_in"),
    (r"the ([0-9x]+) output", "map_out"),
    (r"^(?:a map of )?([0-9]+x[0-9]+) (?:cannot|is not|has no)", "map_in"),
)


def _known(operator: Operator, point: drawn.Point) -> Mapping[str, Any]:
    options, sizes = point
    rest = {name: size for name, size in sizes.items() if name not in ("c_in", "c_out")}
    g = operator.geometry(sizes["c_in"], sizes.get("c_out"), options, **rest)
    pairs = {name: getattr(g, name) for name in ("stride", "dilation", "padding", "kernel")}
    return {
        **g._asdict(),
        **pairs,
        "map_in": (g.h, g.w),
        "map_out": (g.h_out, g.w_out),
        **operator.derive(g, operator.resolve(options)),
    }


def _wrong(reason: str, known: Mapping[str, Any]) -> str:
    """What of a reason is not so; empty where all of it is, and `unread` where nothing of it says so."""
    read = not re.search(r"\d", reason.replace("kernel 1, stride 1", ""))
    # One name alone: of a sum or a product the terms follow.
    for name, value in re.findall(rf"(?<![-+*/] )\b({NAME}) = {N}(?! [-+*/])", reason):
        if known.get(name) is not None and Fraction(known[name]) != Fraction(value):
            return f"{name} is {known[name]}"
    for words, name in OF_SHAPES:
        for sizes in re.findall(words, reason):
            if tuple(known[name]) != _pair(sizes):
                return f"the {name} is {known[name]}"
    for table, value_of in ((CLAIMS, Fraction), (SIZES, str)):
        for words, claim in table:
            if found := re.search(words, reason):
                read = True
                if not claim(*map(value_of, found.groups())):
                    return f"`{found.group()}` is not so"
    return "" if read else "unread"


def _few_channels(operator: Operator) -> Iterator[drawn.Point]:
    for c_in, c_out, stride, groups in product(range(1, 7), range(1, 8), (1, 2), (1, 2)):
        yield {}, along_axes(operator, {"c_in": c_in, "c_out": c_out, "hw": 4, "stride": stride, "groups": groups})


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_a_refusal_is_true(operator: Operator) -> None:
    """On random shapes and options, and on all of a few channels, where a rule's limit is near."""
    for point in (*drawn.points(operator, 0.3), *_few_channels(operator)):
        try:
            drawn.evaluated(operator, point)
        except FlopcalcError as error:
            if error.code != "cannot-stand":
                continue
            reason = error.reason
            wrong = _wrong(reason, _known(operator, point))
            assert wrong != "unread", for_author(operator.name, f"say here when `{reason}` is true")
            assert not wrong, for_author(operator.name, f"it refuses {point}: `{reason}`, and {wrong}")
