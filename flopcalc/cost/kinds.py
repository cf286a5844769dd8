"""The one list of kinds of cost, and the one list of kinds of work.

A cost is more than one number: its kinds are kept separate, and a convention combines them into one number last. All
results have the same kinds, as `total(kind)` and as properties. A convention selects kernels by their kind of work.
"""

from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from flopcalc.cost.result import Result
from flopcalc.errors import unknown_name


class Kind(NamedTuple):
    """One kind of cost. unit: of the number. adds_up: whether a total is the sum over parts and layers."""

    name: str
    unit: str
    text: str
    adds_up: bool = True


_KINDS = (
    Kind("params", "parameters", "trainable parameters, weights and biases"),
    Kind("macs", "MACs", "multiply-accumulates of convolutions, linear layers and matrix products"),
    Kind("flops", "operations", "2 x macs + adds + muls + other"),
    Kind("activations", "elements", "elements that convolutions and linear layers write"),
    Kind(
        "traffic",
        "elements",
        "elements that all kernels read and write, weights included, each kernel separately (no fusion, no cache); "
        "multiply by the size of the dtype for bytes",
    ),
    Kind(
        "steps",
        "kernels",
        "critical path: kernels in the longest chain of dependent kernels; views cost none",
        adds_up=False,
    ),
    Kind("adds", "operations", "element-wise additions: biases, normalisation, residual sums"),
    Kind("muls", "operations", "element-wise multiplications: normalisation, gates, scales"),
    Kind("other", "operations", "all other element-wise work: activations, comparisons, divisions, exponentials"),
)
KIND = {kind.name: kind for kind in _KINDS}
KINDS = tuple(KIND)
# A total of these is the sum over the parts.
SUMMED = tuple(kind.name for kind in _KINDS if kind.adds_up)
# Work on single elements, whatever the operation.
ELEMENTWISE = ("adds", "muls", "other")
# The kinds that each kernel has: flops follow from the others, and steps are a path through several kernels.
OF_A_KERNEL = tuple(name for name in SUMMED if name != "flops")

WorkKind: TypeAlias = Literal[
    "conv",
    "linear",
    "matmul",
    "distance",
    "norm",
    "layernorm",
    "act",
    "softmax",
    "add",
    "mul",
    "maxpool",
    "avgpool",
    "gap",
    "move",
    "mixed",
    "other",
]
# mixed: several kernels of different work in one part, as in an operator that a YAML file composes.
WORK_KINDS: tuple[WorkKind, ...] = get_args(WorkKind)


def check_kind(name: str) -> None:
    """Raise FlopcalcError (unknown-kind) unless it is the name of a kind of cost."""
    if not isinstance(name, str) or name not in KIND:
        raise unknown_name("kind", str(name), KINDS, f"kinds of cost: {', '.join(KINDS)}")


class HasKinds(Result):
    """The base of results that have a cost: each kind of cost as a property. A result defines `total(kind)`.

    The numbers are exact ints. In sweeps and closed forms they are arrays or expressions.
    """

    __slots__ = ()

    def total(self, kind: str) -> int:
        """The total of one kind. Raises FlopcalcError (unknown-kind)."""
        raise NotImplementedError

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return self.total("params")

    @property
    def macs(self) -> int:
        """Multiply-accumulates, the headline number."""
        return self.total("macs")

    @property
    def flops(self) -> int:
        """2 * macs + adds + muls + other."""
        return self.total("flops")

    @property
    def activations(self) -> int:
        """Elements written by convolutions and linear layers."""
        return self.total("activations")

    @property
    def traffic(self) -> int:
        """Elements read and written; multiply by the size of the dtype for bytes."""
        return self.total("traffic")

    @property
    def steps(self) -> int:
        """Critical path: kernels in the longest chain of dependent kernels."""
        return self.total("steps")

    @property
    def adds(self) -> int:
        """Element-wise additions."""
        return self.total("adds")

    @property
    def muls(self) -> int:
        """Element-wise multiplications."""
        return self.total("muls")

    @property
    def other(self) -> int:
        """All other element-wise work."""
        return self.total("other")

    @property
    def headline(self) -> str:
        """`25,557,032 params, 4,089,184,256 MACs, 8,220,000,000 FLOPs`, short even for very large numbers."""
        named = {"params": "params", "macs": "MACs", "flops": "FLOPs"}
        return ", ".join(f"{_figure(self.total(kind))} {text}" for kind, text in named.items())


def _figure(value: Any) -> str:
    """The digits of a number, the magnitude of a very long one, or the beginning of a long expression."""
    text = f"{value:,}" if isinstance(value, int) else " ".join(str(value).split())
    if len(text) <= 27:
        return text
    return f"about 10^{len(str(value)) - 1}" if isinstance(value, int) else f"{text[:26]}\u2026"
