"""How a call is written decides what a counter that replaces functions, hooks or traces makes of it."""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from flopcalc.cost.convention import CONVENTIONS
from flopcalc.networks.counted import counted
from flopcalc.presets.call import ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.pytorch import counted_network
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counters import Figure, run_counter, version_of
from flopcalc.pytorch.counters.counters import COUNTERS

Args = tuple[Any, ...]


class Run(nn.Module):
    """A function as the forward, next to a layer that has parameters and is not called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function, self.unused, self.library = function, nn.Linear(1, 1), torch

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the function."""
        return self.function(self, *args, **kwargs)


class Two(nn.Module):
    """Two inputs of one layer: 4 x 5 MACs and 5 biases for each of the 3 samples of each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 5)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The sum of both outputs."""
        out: Tensor = self.layer(x) + self.layer(y)
        return out


class State(nn.Module):
    """A second output that no input reaches; kept: whether the buffer is part of the module's state."""

    def __init__(self, kept: bool) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 5, bias=False)
        self.register_buffer("zero", torch.zeros(1), persistent=kept)

    def forward(self, x: Tensor) -> Any:
        """The output of the layer, and the buffer."""
        return self.layer(x), self.zero


class Kept(nn.Module):
    """Computes its matrix in the first forward, and keeps it. once: refuses to run again."""

    def __init__(self, once: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))
        self.once = once
        self.matrix: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """The product with the matrix."""
        if self.matrix is None:
            self.matrix = torch.matmul(self.weight, self.weight)
        elif self.once:
            raise ValueError("it has run")
        out: Tensor = torch.matmul(x, self.matrix)
        return out


class _Reversible(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: nn.Module) -> Any:
        one, other = x.chunk(2, -1)
        return torch.cat((one + layer(other), other), -1)


class Reversible(nn.Module):
    """A layer on one half of the channels, in a function with a gradient of its own. first: a layer before it."""

    def __init__(self, first: bool) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8, bias=False) if first else nn.Identity()
        self.layer = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Any:
        """Both halves."""
        return _Reversible.apply(self.first(x), self.layer)


def _off(mode: Any, make: Callable[[nn.Parameter], Tensor]) -> nn.Module:
    """A layer called without gradients, of 4 x 5 products for each of 2 rows."""

    def forward(module: Any, x: Tensor) -> Any:
        with mode():
            return module.layer(make(module.rows))

    module = Run(forward)
    module.layer, module.rows = nn.Linear(4, 5, bias=False), nn.Parameter(torch.ones(2, 4))
    return module


class Graph(nn.Module):
    """A layer on the nodes of a graph, whose matrix is an input or a buffer."""

    def __init__(self, matrix: Tensor | None = None) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 5)
        self.register_buffer("matrix", matrix)

    def forward(self, x: Tensor, given: Any = None) -> Any:
        """Sums over neighbours."""
        matrix = self.matrix if given is None else given[0] if isinstance(given, list) else given
        return torch.sparse.mm(matrix, self.layer(x))


class More(nn.Linear):
    """A layer whose state has more than tensors."""

    def get_extra_state(self) -> Any:
        """A version."""
        return {"version": 1}

    def set_extra_state(self, state: Any) -> None:
        """Nothing to restore."""


def _weight(x: Tensor) -> Tensor:
    weight: Tensor = torch.ones(4, x.shape[1], 3, 3, device=x.device)
    return weight


def _without_source(result: str, statement: str = "pass") -> Callable[..., Any]:
    made: dict[str, Any] = {"torch": torch}
    exec(f"def run(m, x):\n    {statement}\n    return {result}", made)  # noqa: S102
    run: Callable[..., Any] = made["run"]
    return run


MAP = ((2, 3, 8, 8),)
# Function, inputs, tool, and its figure; None where the tool fails.
CASES: dict[str, tuple[Callable[[], nn.Module], Args, str, int | None]] = {
    # 2 for each of 2 x 3 x 3 x 4 products, and 1 that NumPy adds.
    "einsum of a library in an attribute": (
        lambda: Run(lambda m, x: m.library.einsum("bij,bjk->bik", x, x.transpose(1, 2))),
        ((2, 3, 4),),
        "calflops",
        2 * 2 * 3 * 3 * 4 + 1,
    ),
    "several inputs of a batch": (Two, ((3, 4), (3, 4)), "ptflops", 2 * 3 * (4 * 5 + 5)),
    # The old name calls the new one, and both are replaced: 2 x 3 planes of 4 x 5, and 4 x 5 for the profilers.
    "upsample, ptflops": (lambda: Run(lambda m, x: F.upsample(x, (4, 5))), MAP, "ptflops", 2 * 2 * 3 * 4 * 5),
    "upsample, calflops": (lambda: Run(lambda m, x: F.upsample(x, size=(4, 5))), MAP, "calflops", 2 * 4 * 5),
    "upsample, deepspeed": (lambda: Run(lambda m, x: F.upsample(x, size=(4, 5))), MAP, "deepspeed", 2 * 4 * 5),
    "input by name": (lambda: Run(lambda m, x: F.interpolate(input=x, size=(4, 5))), MAP, "calflops", None),
    "input by name, ptflops": (
        lambda: Run(lambda m, x: F.interpolate(input=x, size=[4, 5])), MAP, "ptflops", 2 * 3 * 20,
    ),
    "query by name": (
        lambda: Run(lambda m, x: F.scaled_dot_product_attention(query=x, key=x, value=x)), MAP, "deepspeed", None,
    ),
    "size of a pool by name": (
        lambda: Run(lambda m, x: F.adaptive_avg_pool2d(x, output_size=2)), MAP, "deepspeed", None,
    ),
    "size of a pool": (lambda: Run(lambda m, x: F.adaptive_avg_pool2d(x, 2)), MAP, "deepspeed", 2 * 3 * 64),
    "stride in a list": (lambda: Run(lambda m, x: F.conv2d(x, _weight(x), stride=[1, 1])), MAP, "deepspeed", None),
    "stride in a tuple": (
        lambda: Run(lambda m, x: F.conv2d(x, _weight(x), stride=(1, 1))), MAP, "deepspeed", 2 * 2 * 36 * 4 * 27,
    ),
    "scales in a list": (lambda: Run(lambda m, x: F.interpolate(x, scale_factor=[2.0, 2.0])), MAP, "ptflops", None),
    # As many scales as samples: it takes the length of the batch for the number of axes.
    "scales": (lambda: Run(lambda m, x: F.interpolate(x, scale_factor=(2.0, 2.0))), MAP, "calflops", 2 * 3 * 64),
    "scales, one sample": (
        lambda: Run(lambda m, x: F.interpolate(x, scale_factor=(2.0, 2.0))), ((1, 3, 8, 8),), "calflops", None,
    ),
    "a list of inputs": (lambda: Run(lambda m, xs: F.relu(xs[0])), ([torch.ones(2, 3)],), "calflops", None),
    "a state as a tuple": (lambda: Run(lambda m, x, h: F.relu(x)), ((2, 3), (torch.ones(1), None)), "calflops", None),
    "a repeated bias": (
        lambda: Run(lambda m, x: torch.baddbmm(x[:, :1, :1], x, x.transpose(1, 2))), ((2, 3, 4),), "torchprofile", None,
    ),
    "a bias": (
        lambda: Run(lambda m, x: torch.baddbmm(x @ x.mT, x, x.mT)), ((2, 3, 4),), "torchprofile", 2 * 2 * 3 * 3 * 4,
    ),
    # Of code without a source the instructions tell operators and calls apart. DeepSpeed counts 3072 products of `@`.
    **{
        f"no source, {tool}": (lambda: Run(_without_source("torch.add(-(x + x) @ x.mT * x, x)")), MAP, tool, figure)
        for tool, figure in {"ptflops": 384, "calflops": 384, "deepspeed": 384 + 2 * 3072}.items()
    },
    "no source, a statement": (lambda: Run(_without_source("x.add(1)", "x += x")), MAP, "ptflops", 384),
    # DeepSpeed alone runs the forward before it counts one: the 4 x 4 x 4 products of the matrix are not in it.
    "a second forward": (Kept, ((3, 4),), "deepspeed", 2 * 3 * 4 * 4),
    "a second forward that fails": (lambda: Kept(once=True), ((3, 4),), "deepspeed", None),
    "a first forward": (Kept, ((3, 4),), "calflops", 2 * (3 + 4) * 4 * 4),
    "a first forward, ptflops": (Kept, ((3, 4),), "ptflops", (3 + 4) * 4 * 4),
    "a first forward, thop": (Kept, ((3, 4),), "thop", 0),
    "a first forward, fvcore": (Kept, ((3, 4),), "fvcore", (3 + 4) * 4 * 4),
    "a first forward, FlopCounterMode": (Kept, ((3, 4),), "flop-counter", 2 * (3 + 4) * 4 * 4),
    # Those that run count the layer, and nothing of torch.sparse.mm.
    **{
        f"a sparse input, {tool}": (Graph, ((3, 4), torch.eye(3).to_sparse()), tool, figure)
        for tool, figure in {"torchinfo": None, "thop": 3 * 4 * 5, "flop-counter": 2 * 3 * 4 * 5}.items()
    },
    "a sparse input in a list": (Graph, ((3, 4), [torch.eye(3).to_sparse()]), "torchinfo", None),
    "a sparse buffer": (lambda: Graph(torch.eye(3).to_sparse()), ((3, 4),), "torchinfo", 3 * (4 * 5 + 5)),
    # Its hooks ask for the gradient functions of what modules get, which a view made without gradients does not have.
    "halves": (lambda: Reversible(True), ((3, 8),), "flop-counter", None),
    "halves, ptflops": (lambda: Reversible(True), ((3, 8),), "ptflops-aten", 3 * (8 * 8 + 4 * 4)),
    "halves that need no gradient": (lambda: Reversible(False), ((3, 8),), "flop-counter", 2 * 3 * 4 * 4),
    "a view": (lambda: _off(torch.no_grad, lambda rows: rows.view(2, 4)), ((1,),), "flop-counter", None),
    "a view of a view": (lambda: _off(torch.no_grad, lambda rows: rows.t().t()), ((1,),), "flop-counter", None),
    "a view of a sum": (lambda: _off(torch.no_grad, lambda rows: (rows + 1)[:]), ((1,),), "flop-counter", 80),
    "a detached view": (lambda: _off(torch.no_grad, lambda rows: rows[:].detach()), ((1,),), "flop-counter", 80),
    "a parameter": (lambda: _off(torch.no_grad, lambda rows: rows), ((1,),), "flop-counter", 80),
    "a parameter, inference": (lambda: _off(torch.inference_mode, lambda rows: rows), ((1,),), "flop-counter", None),
    "a view, inference": (lambda: _off(torch.inference_mode, lambda rows: rows[:]), ((1,),), "flop-counter", None),
    "an output of the state": (lambda: State(True), ((3, 4),), "fvcore", 3 * 4 * 5),
    "an output that is a constant": (lambda: State(False), ((3, 4),), "fvcore", None),
    "a state with more than tensors": (lambda: More(4, 5), ((3, 4),), "fvcore", None),
}  # fmt: skip


def _preset(tool: str, module: nn.Module, args: Args) -> int | None:
    try:
        return sum(one.amount for one in RULES[tool](log_of(module, args)))
    except ToolFailsError:
        return None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_presets(name: str) -> None:
    """The figure by hand, or none where the tool fails."""
    make, args, tool, figure = CASES[name]
    assert _preset(tool, make(), args) == figure


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_tools(name: str) -> None:
    """The tools say the same."""
    make, args, tool, figure = CASES[name]
    if not version_of(COUNTERS[tool].package):
        pytest.skip(f"{tool} is not installed")
    found = run_counter(tool, make(), args)
    assert (found.value if isinstance(found, Figure) else None) == figure, found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tool", ["thop", "ultralytics-thop", "flop-counter"])
def test_nested_tensors(tool: str) -> None:
    """They have no single shape, so that no counter's number is known, and the output says so."""

    def attend(module: Any, x: Tensor) -> Tensor:
        rows = torch.nested.nested_tensor(list(x), layout=torch.jagged).unflatten(-1, (1, 4)).transpose(1, 2)
        out: Tensor = F.scaled_dot_product_attention(rows, rows, rows).transpose(1, 2).values()
        return out

    network = counted_network(Run(attend), (3, 4), batch=2)
    (remark,) = counted(network, CONVENTIONS[tool]).remarks
    assert "a nested tensor has no shape" in remark
