"""Writes the two files of a new operator, which work as they are: `python tools/new_operator.py NAME`.

docs/adding-an-operator.md describes how to continue.
"""

import re
import sys
from keyword import iskeyword
from pathlib import Path

from flopcalc.catalog import registry

ROOT = Path(__file__).parent.parent

RECORD = '''"""@TITLE@: one sentence about what it computes.

The file that `make new-operator` wrote: a 1x1 convolution to fewer channels, then a k x k convolution. Replace it piece
by piece; docs/adding-an-operator.md lists what the tests require.
"""

from collections.abc import Iterable
from fractions import Fraction

from flopcalc.cost import parts
from flopcalc.cost.arith import Dim, share
from flopcalc.cost.cost import Part
from flopcalc.cost.geometry import Geometry
from flopcalc.spec.operator import Derived, Limit, Named, Operator, Param, Policy, Rule, spatial
from flopcalc.spec.rules import ONE_GROUP
from flopcalc.spec.source import Paper

# Write the paper out in full. A field that is not known stays empty. With authors (`Family, Given`), the year and the
# arXiv number or the DOI are required. Operators of one paper share one record: import it from the other file.
PAPER = Paper(key="@NAME@", authors=(), title="@TITLE@", venue="not published", year=None)


def narrow(g: Geometry, ratio: Dim) -> Dim:
    """Channels between the two convolutions. Use the functions of cost/arith.py where a result must be whole."""
    return share(ratio, g.c_in)


# The arguments after g are the options and derived values that the formula reads, by their names. No if, no comparison,
# no loop, no `/` and no float: parts.when leaves parts out, a derived value makes any other choice. g.p_in and g.p_out
# are the positions of the input and of the output, the batch included.
def formula(g: Geometry, mid: Dim) -> Iterable[Part]:
    """1x1 on the input grid, then k x k at the layer's stride."""
    # The name of a part is the name of the module's child that runs it.
    yield parts.conv("reduce", g.c_in, mid, 1, g.p_in, g.p_in)
    # A part needs the part before it. One that does not is given `after`: the names of the parts that it needs, or
    # after=parts.INPUT if it needs nothing but the layer's input. The critical path (`steps`) follows from that.
    yield parts.conv("spatial", mid, g.c_out, g.area, g.p_in, g.p_out)


def _enough(g: Geometry, named: Named) -> str | None:
    # What is wrong, in words, or None.
    return None if named["mid"] else f"ratio = {named['ratio']} of c_in = {g.c_in} channels is less than one channel"


OPERATOR = Operator(
    name="@NAME@",
    title="@TITLE@",
    family="compact convolutions",
    paper=PAPER,
    formula=formula,
    # A number that the formula reads has a letter, its symbol in closed forms. samples: values that the tests try.
    params=(
        Param(
            "ratio",
            "fraction",
            Fraction(1, 2),
            "share of the channels that is kept",
            most=1,
            letter="r",
            samples=(Fraction(1, 4), Fraction(1)),
        ),
    ),
    # A value with a text is shown to users; one without only steers the formula. None may depend on the batch.
    derived=(Derived("mid", narrow, lambda g, v: f"floor(ratio * c_in) = floor({v['ratio']} * {g.c_in})"),),
    # Each rule: a few words, the check, and what the user can do. flopcalc/spec/rules.py has those that several share.
    rules=(ONE_GROUP, Rule("ratio leaves at least one channel", _enough, "choose a larger ratio")),
    # At these options it must cost what a simpler operator costs, apart from the parts that remain.
    limits=(Limit({"ratio": Fraction(1)}, equals="conv", surviving=("reduce",)),),
    # What the paper prints, in its letters, would be, with `from flopcalc.spec.source import Equation`,
    #     Equation(number="3", text="C * M + K^2 * M * N", letters={"C": "c_in", "M": "mid", "N": "c_out", "K": "k"},
    #              gives="params"),
    # equations=(...,),
    # Which convolutions of a network it replaces, as in its paper.
    policy=Policy("every convolution with a kernel larger than 1x1", spatial),
)
'''

MODULE = '''"""@TITLE@ as a module; its children have the names of the formula's parts."""

from typing import Any

from torch import Tensor, nn

from flopcalc.cost.geometry import Pair
from flopcalc.pytorch.layers._blocks import plan


class @CLASS@(nn.Module):
    """One sentence with the paper's section. Takes the arguments of nn.Conv2d and the operator's options."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | None = None,
        dilation: Pair = 1,
        groups: int = 1,
        *,
        ratio: Any = "1/2",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        # The record checks the arguments, fills in defaults, and computes the derived values.
        e = plan("@NAME@", in_channels, out_channels, kernel_size, stride, padding, dilation, groups, ratio=ratio)
        g, mid = e.geometry, e.named["mid"]
        factory = {"device": device, "dtype": dtype}
        self.reduce = nn.Conv2d(in_channels, mid, 1, bias=False, **factory)
        self.spatial = nn.Conv2d(mid, out_channels, g.kernel, g.stride, g.padding, g.dilation, bias=False, **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, h, w) -> (n, c_out, h_out, w_out)."""
        out: Tensor = self.spatial(self.reduce(x))
        return out


LAYER = @CLASS@
'''


def problem(name: str) -> str | None:
    """Why a new operator cannot have the name, or None."""
    if iskeyword(name):
        return f"{name!r} is not a name: it is a keyword of Python; choose another, such as {name}_conv"
    if re.fullmatch(r"[0-9_][a-z0-9_]*", name):
        return f"{name!r} is not a name: it does not begin with a letter; write for example conv{name}"
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        return f"{name!r} is not a name of lower-case letters, digits and _, such as my_conv"
    meaning = registry.meaning_of(name)
    return None if meaning is None else f"{name} is the name of {meaning}; choose another name"


def write(name: str, root: Path) -> list[Path]:
    """Write both files below `root`; neither may exist."""
    title = name.replace("_", " ").capitalize()
    values = {
        "@NAME@": name,
        "@TITLE@": title,
        "@CLASS@": "".join(word.capitalize() for word in name.split("_")) + "2d",
    }
    folders = {root / "flopcalc" / "operators": RECORD, root / "flopcalc" / "pytorch" / "layers": MODULE}
    for folder in folders:
        if (folder / f"{name}.py").exists():
            raise FileExistsError(f"{folder / name}.py exists")
    written = []
    for folder, text in folders.items():
        for mark, value in values.items():
            text = text.replace(mark, value)  # noqa: PLW2901 - the text, filled in step by step
        (folder / f"{name}.py").write_text(text)
        written.append(folder / f"{name}.py")
    return written


def main(arguments: list[str]) -> int:
    """Write the files of the one name given."""
    if len(arguments) != 1 or not arguments[0]:
        print("usage: make new-operator NAME=my_conv", file=sys.stderr)
        return 2
    (name,) = arguments
    if (why := problem(name)) is not None:
        print(why, file=sys.stderr)
        return 2
    for path in write(name, ROOT):
        print(path.relative_to(ROOT))
    print(f"They work as they are: flopcalc verify {name}. docs/adding-an-operator.md describes how to continue.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
