"""Compare the MACs that counters report for small constructions with the MACs worked out by hand.

`python benchmarks/other_counters.py` prints the table of docs/counting.md. It runs every counter that is installed,
each on a fresh module, on CPU tensors; FlopCounterMode also on meta tensors. Layers have no bias, since ptflops counts
the additions of a bias as MACs, which is another definition and not a mistake.
"""

import contextlib
import io
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from flopcalc.pytorch import count
from flopcalc.pytorch.counters.installed import load
from flopcalc.pytorch.loading.torchvision_operators import declare


class Case(NamedTuple):
    """One construction. macs: worked out by hand. x: makes the input of the module."""

    what: str
    macs: int
    module: Callable[[], nn.Module]
    x: Callable[[], Tensor]


class Function(nn.Module):
    """A module that holds one parameter and calls a function of its input and the parameter."""

    def __init__(self, function: Callable[..., Tensor], *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape or (1,)))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """The function's output."""
        return self.function(x, self.weight)


class Twice(nn.Module):
    """One linear layer under two names, called under both."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64, 64, bias=False)
        self.second = self.first

    def forward(self, x: Tensor) -> Tensor:
        """The layer on its own output."""
        out: Tensor = self.second(self.first(x))
        return out


class Attention(nn.Module):
    """Self-attention of torch's module, which runs one fused kernel in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, bias=False, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """The output without the weights."""
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


class Recurrent(nn.Module):
    """An LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 32, bias=False, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs of all steps."""
        out: Tensor = self.lstm(x)[0]
        return out


class Routed(nn.Module):
    """A linear layer for those tokens whose first feature is positive."""

    def __init__(self) -> None:
        super().__init__()
        self.expert = nn.Linear(64, 64, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The chosen tokens, through the layer."""
        out: Tensor = self.expert(x[x[:, 0] > 0])
        return out


@torch.library.custom_op("other_counters::product", mutates_args=())
def product(x: Tensor, weight: Tensor) -> Tensor:
    """A kernel of the user's: a matrix product that no counter can look into."""
    found: Tensor = torch.from_numpy(x.detach().numpy() @ weight.detach().numpy())
    return found


@product.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    found: Tensor = x.new_empty(*x.shape[:-1], weight.shape[-1])
    return found


def sparse(x: Tensor, weight: Tensor) -> Tensor:
    """A sparse 64 x 64 matrix with 100 entries, times the input."""
    places = torch.arange(100)
    matrix = torch.sparse_coo_tensor(torch.stack((places % 64, places // 2)), weight.expand(100), (64, 64))
    found: Tensor = torch.sparse.mm(matrix, x)
    return found


def tokens() -> Tensor:
    """8 tokens of 64 features; the first feature is positive for 5 of them."""
    x = torch.ones(8, 64)
    x[5:, 0] = -1
    return x


CASES = (
    # Each of 8 x 8 positions of 16 channels meets 3 x 3 weights to 32 / 4 channels.
    Case(
        "transposed convolution, 4 groups",
        8 * 8 * 16 * 9 * (32 // 4),
        lambda: nn.ConvTranspose2d(16, 32, 3, stride=2, groups=4, bias=False),
        lambda: torch.randn(1, 16, 8, 8),
    ),
    Case(
        "`torch.matmul(x, weight)`",
        32 * 64 * 128,
        # Looked up when it is called, since some counters replace it.
        lambda: Function(lambda x, weight: torch.matmul(x, weight), 64, 128),  # noqa: PLW0108
        lambda: torch.randn(1, 32, 64),
    ),
    Case(
        "`x @ weight`",
        32 * 64 * 128,
        lambda: Function(lambda x, weight: x @ weight, 64, 128),
        lambda: torch.randn(1, 32, 64),
    ),
    Case(
        "`einsum('bhqd,bhkd->bhqk')`",
        4 * 32 * 32 * 16,
        lambda: Function(lambda x, _: torch.einsum("bhqd,bhkd->bhqk", x, x)),
        lambda: torch.randn(1, 4, 32, 16),
    ),
    # Queries with keys, and weights with values.
    Case(
        "`scaled_dot_product_attention`",
        2 * 4 * 32 * 32 * 16,
        lambda: Function(lambda x, _: F.scaled_dot_product_attention(x, x, x)),
        lambda: torch.randn(1, 4, 32, 16),
    ),
    # Three projections in, one out, and the attention of 10 tokens.
    Case(
        "`nn.MultiheadAttention`",
        4 * 10 * 32 * 32 + 2 * 10 * 10 * 32,
        Attention,
        lambda: torch.randn(1, 10, 32),
    ),
    # Four gates at each of 10 steps.
    Case("`nn.LSTM`", 10 * 4 * (16 * 32 + 32 * 32), Recurrent, lambda: torch.randn(1, 10, 16)),
    Case("one linear layer, called twice", 2 * 8 * 64 * 64, Twice, lambda: torch.randn(8, 64)),
    Case(
        "linear layer with `weight_norm`",
        8 * 64 * 64,
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(64, 64, bias=False)),
        lambda: torch.randn(8, 64),
    ),
    # A product of complex numbers is four of real ones.
    Case(
        "linear layer of complex numbers",
        4 * 8 * 16 * 32,
        lambda: nn.Linear(16, 32, bias=False, dtype=torch.complex64),
        lambda: torch.randn(8, 16, dtype=torch.complex64),
    ),
    # It looks rows up.
    Case("`nn.Embedding`", 0, lambda: nn.Embedding(1000, 64), lambda: torch.randint(0, 1000, (1, 32))),
    # 100 entries, each times a row of 32 columns.
    Case("sparse matrix product", 100 * 32, lambda: Function(sparse, 1), lambda: torch.randn(64, 32)),
    # 5 of 8 tokens.
    Case("layer for chosen tokens", 5 * 64 * 64, Routed, tokens),
    Case(
        "kernel of the user's",
        8 * 16 * 16,
        lambda: Function(product, 16, 16),
        lambda: torch.randn(1, 8, 16),
    ),
)


def flopcalc(case: Case) -> str:
    """Ours, with a mark where it says itself that a kernel was not counted."""
    found = count(case.module(), case.x())
    return f"{found.macs}{' (flagged)' if found.uncounted else ''}"


def flop_counter(case: Case) -> int:
    """The figure of torch's FlopCounterMode: 2 FLOPs for each MAC."""
    module, x = case.module().eval(), case.x()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return int(counter.get_total_flops()) // 2


def flop_counter_on_meta(case: Case) -> int:
    """The same on meta tensors."""
    module, x = case.module().to("meta").eval(), case.x().to("meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return int(counter.get_total_flops()) // 2


def fvcore(case: Case) -> str:
    """The FLOPs of fvcore, which are MACs, with a mark where it lists operators that it did not count."""
    from fvcore.nn import FlopCountAnalysis

    found = FlopCountAnalysis(case.module().eval(), case.x()).unsupported_ops_warnings(False)
    macs = int(found.uncalled_modules_warnings(False).total())
    return f"{macs}{' (flagged)' if found.unsupported_ops() else ''}"


def ptflops(case: Case) -> int:
    """The figure of ptflops with its PyTorch back end, the default."""
    from ptflops import get_model_complexity_info

    # Its hooks read arguments by position, so the input goes through a container, which takes it by name.
    module, x = nn.Sequential(case.module()).eval(), case.x()
    macs, _ = get_model_complexity_info(
        module,
        tuple(x.shape[1:]),
        input_constructor=lambda _: {"input": x},
        as_strings=False,
        print_per_layer_stat=False,
        backend="pytorch",
    )
    if macs is None:
        raise RuntimeError("no result")
    return int(macs)


def thop(case: Case) -> int:
    """The figure of thop."""
    from thop import profile

    return int(profile(case.module().eval(), inputs=(case.x(),), verbose=False)[0])


def torchinfo(case: Case) -> int:
    """The mult-adds of torchinfo."""
    from torchinfo import summary

    return int(summary(case.module(), input_data=case.x(), verbose=0).total_mult_adds)


def calflops(case: Case) -> int:
    """The MACs of calflops."""
    # The package itself imports accelerate, which counting does not need.
    found = load("calflops").calculate_flops(
        case.module(), args=[case.x()], print_results=False, output_as_string=False
    )
    return int(found[1])


COUNTERS: dict[str, tuple[str, Callable[[Case], Any]]] = {
    "flopcalc": ("", flopcalc),
    "FlopCounterMode": ("torch", flop_counter),
    "on meta": ("torch", flop_counter_on_meta),
    "fvcore": ("fvcore", fvcore),
    "ptflops": ("ptflops", ptflops),
    "thop": ("thop", thop),
    "torchinfo": ("torchinfo", torchinfo),
    "calflops": ("calflops", calflops),
}


def figure(case: Case, counter: Callable[[Case], Any]) -> str:
    """The figure of a counter, in bold if it is right, or what came instead."""
    torch.manual_seed(0)
    try:
        # Some counters print, and some draw warnings of torch.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found = str(counter(case))
    except Exception as error:
        if "--debug" in sys.argv:
            print(f"{case.what}: {type(error).__name__}: {error}", file=sys.stderr)
        return "error"
    number, _, mark = found.partition(" ")
    text = f"{int(number):,}"
    return (f"**{text}**" if int(number) == case.macs else text) + (f" {mark}" if mark else "")


def main() -> None:
    """Print the versions and the table, in Markdown."""
    warnings.simplefilter("ignore")
    # calflops and timm import torchvision, whose wheel may expect kernels that a CPU-only torch does not have.
    declare()
    counters = {}
    for name, (package, counter) in COUNTERS.items():
        try:
            installed = version(package) if package else ""
        except PackageNotFoundError:
            continue
        counters[name] = (f"{name} {installed}".strip() if package != "torch" else name, counter)
    print(f"torch {version('torch').partition('+')[0]}\n")
    print(f"| construction | MACs by hand | {' | '.join(title for title, _ in counters.values())} |")
    print(f"|:---|---:|{'---:|' * len(counters)}")
    right = dict.fromkeys(counters, 0)
    for case in CASES:
        cells = {name: figure(case, counter) for name, (_, counter) in counters.items()}
        for name, cell in cells.items():
            right[name] += cell.startswith("**")
        print(f"| {case.what} | {case.macs:,} | {' | '.join(cells.values())} |")
    print(f"| right | {len(CASES)} | {' | '.join(map(str, right.values()))} |")


if __name__ == "__main__":
    main()
