"""`explain` of modules that run several times, that torch has compiled, and that take inputs by name."""

from pathlib import Path

import torch
from torch import Tensor, jit, nn, relu

from flopcalc.analysis.explain import Row, explain
from flopcalc.networks.inputs import Input
from flopcalc.pytorch.counters import Figure, run_counter
from flopcalc.pytorch.counting.network import counted_network


class Repeated(nn.Module):
    """The same convolution twice, and the same activation three times."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Of images with three channels."""
        x = self.act(self.again(self.act(self.first(x))))
        out: Tensor = self.act(self.again(x))
        return out


def rows(module: nn.Module, *tools: str, shape: tuple[int, ...] = (3, 8, 8)) -> list[Row]:
    """The rows of a module."""
    return explain(counted_network(module, [Input(shape)]), tools)


def test_a_module_that_runs_several_times() -> None:
    """Counters find all of its calls at the module: nothing is missing, and nothing is counted in another way."""
    ptflops, thop = rows(Repeated(), "ptflops", "thop")
    assert [(step.what, step.amount) for step in ptflops.steps] == [
        # Three convolutions write 8 x 8 x 8 elements each.
        ("biases", 3 * 512),
        ("activations, in modules, 1 per element", 3 * 512),
        ("activations, in functions, 1 per element", 3 * 512),
    ]
    assert thop.steps == ()


def test_a_scripted_child() -> None:
    """Its kernels are seen by a counter of kernels, below the module that calls it."""
    child = jit.script(nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU()))
    macs = 3 * 4 * 64
    kernels, hooks = rows(nn.Sequential(child), "flop-counter", "torchinfo")
    assert [(step.what, step.amount) for step in kernels.steps] == [
        ("a second operation for each multiply-accumulate", macs)
    ]
    assert [step.amount for step in hooks.steps] == [-macs]
    assert hooks.steps[0].what.startswith("not seen")


def test_transposed_convolutions_at_the_output() -> None:
    """thop multiplies its weights by the positions of the output: 17 x 17 instead of 8 x 8."""
    (thop,) = rows(nn.Sequential(nn.ConvTranspose2d(3, 4, 3, stride=2)), "thop")
    assert [step.amount for step in thop.steps] == [3 * 4 * 9 * (17 * 17 - 8 * 8)]
    assert "positions of the output" in thop.steps[0].what


class ByName(nn.Module):
    """Takes token ids and a mask by name."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)
        self.out = nn.Linear(4, 2)

    def forward(self, *, ids: Tensor, mask) -> Tensor:  # type: ignore[no-untyped-def]
        """The annotation does not say that the mask is a tensor."""
        out: Tensor = relu(self.out(self.table(ids))) * mask[..., None]
        return out


def test_an_input_by_name_without_a_dtype() -> None:
    """The shape of the mask may be a value; where the forward fails with it, it is a shape, as in a count."""

    found = run_counter("flop-counter", ByName(), (), {"ids": torch.zeros(1, 5, dtype=torch.int64), "mask": (1, 5)})
    assert isinstance(found, Figure), found
    assert found.value == 2 * 5 * 4 * 2


def test_what_the_count_could_not_know(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Notes of the count are shown: this forward reads values."""
    path = tmp_path / "net.py"
    path.write_text(
        "from torch import nn\n\n\nclass Net(nn.Linear):\n    def forward(self, x):\n"
        "        y = super().forward(x)\n        return y if y.sum() > 0 else -y\n"
    )
    shown = run("explain", f"{path}:Net", "--set", "in_features=4", "--set", "out_features=2", "--input", "4")
    assert shown.code == 0, shown.err
    assert "\nNotes\n" in shown.out
    assert "((model))" not in shown.out
