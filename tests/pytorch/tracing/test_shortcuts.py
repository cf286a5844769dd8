"""Shortcuts of torch's modules: the same count as by the dispatch mode, and their own forwards only where needed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import nn

from flopcalc.pytorch.counting.counter import count_call


class Around(nn.Module):
    """A module that runs once; an error of it is caught. train: it is put into training by the forward."""

    def __init__(self, inner: Any, train: bool = False, named: bool = False) -> None:
        super().__init__()
        self.inner, self.train_inner, self.named = inner, train, named

    def forward(self, x: Any) -> Any:
        """The module, and its own input where it fails."""
        if self.train_inner:
            self.inner.train()
        try:
            return self.inner(input=x) if self.named else self.inner(x)
        except (RuntimeError, ValueError, IndexError) as error:
            return x.new_zeros(len(str(error)))


@contextmanager
def _forwards(code: Any) -> Iterator[list[Any]]:
    """How often a forward runs."""
    seen: list[Any] = []

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is code:
            seen.append(frame)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield seen
    finally:
        sys.setprofile(before)


def _same(module: Any, shape: tuple[int, ...], **more: bool) -> bool:
    """Whether the module's own forward ran; the count and the output are the same with it."""
    counts = {}
    for witness in ("trace", "dispatch"):
        with _forwards(type(module).forward.__code__) as ran:
            count = count_call(Around(module, **more), (shape,), on="meta", witness=witness)
        counts[witness] = asdict(count), bool(ran)
    assert counts["trace"][0] == counts["dispatch"][0]
    assert counts["dispatch"][1]
    return counts["trace"][1]


MAP, VOLUME, ROWS = (2, 4, 6, 6), (2, 4, 5, 6, 6), (2, 4, 6)
USUAL: dict[str, tuple[Any, tuple[int, ...]]] = {
    "conv 1d": (nn.Conv1d(4, 6, 3, padding=1), ROWS),
    "conv 2d": (nn.Conv2d(4, 6, 3, stride=2, groups=2, bias=False), MAP),
    "conv 3d": (nn.Conv3d(4, 6, 3, dilation=2, padding=2), VOLUME),
    "norm of rows": (nn.BatchNorm1d(4), (3, 4)),
    "norm of sequences": (nn.BatchNorm1d(4), ROWS),
    "norm of maps": (nn.BatchNorm2d(4), MAP),
    "norm of volumes": (nn.BatchNorm3d(4), VOLUME),
    "layer norm": (nn.LayerNorm(6), ROWS),
    "linear": (nn.Linear(6, 5), ROWS),
    "max pool": (nn.MaxPool2d(3, 2, ceil_mode=True), MAP),
    "global pool": (nn.AdaptiveAvgPool2d(1), MAP),
    "dropout": (nn.Dropout(), MAP),
    "identity": (nn.Identity(), MAP),
    **{cls.__name__: (cls(), MAP) for cls in (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.GELU)},
    **{f"{cls.__name__} in place": (cls(inplace=True), MAP) for cls in (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish)},
    **{cls.__name__: (cls(), MAP) for cls in (nn.Sigmoid, nn.Tanh)},
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_modules_run_no_forward(name: str) -> None:
    """One rule takes the place of the forward, and of the way to it; with its input by name the forward runs."""
    module, shape = USUAL[name]
    assert not _same(module, shape)
    assert _same(module, shape, named=True)


UNUSUAL: dict[str, tuple[Any, tuple[int, ...]]] = {
    "padded with itself": (nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), MAP),
    "conv without a batch": (nn.Conv2d(4, 6, 3), MAP[1:]),
    "same padding": (nn.Conv2d(4, 6, 3, padding="same"), MAP),
    "norm of maps of a volume": (nn.BatchNorm2d(4), VOLUME),
    "norm of maps of rows": (nn.BatchNorm2d(4), ROWS),
    "norm of volumes of maps": (nn.BatchNorm3d(4), MAP),
    "norm of volumes of more": (nn.BatchNorm3d(4), (1, 4, 2, 2, 2, 2)),
    "norm of rows of maps": (nn.BatchNorm1d(4), MAP),
    "norm of rows of a row": (nn.BatchNorm1d(4), (4,)),
    "norm without statistics": (nn.BatchNorm2d(4, track_running_stats=False), MAP),
    "pool to several": (nn.AdaptiveAvgPool2d(2), MAP),
    "pool with indices": (nn.MaxPool2d(2, return_indices=True), MAP),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_modules_run_their_forward(name: str) -> None:
    """Torch's forward decides, and says what is wrong."""
    assert _same(*UNUSUAL[name])


@pytest.mark.parametrize("module", [nn.Dropout(), nn.BatchNorm2d(4)], ids=str)
def test_training_inside_of_a_forward(module: Any) -> None:
    """A module that the forward puts into training draws random numbers, or takes the statistics of its input."""
    assert _same(module, MAP, train=True)


def test_a_forward_of_the_user() -> None:
    """Of a class, or of one module: it is not torch's, and runs."""

    def doubled(x: Any) -> Any:
        return torch.relu(x) * 2

    one: Any = nn.ReLU()
    one.forward = doubled
    for witness in ("trace", "dispatch"):
        assert count_call(Around(one), (MAP,), on="meta", witness=witness).steps == 2


class Whether(nn.Module):
    """A module; whether its output is its input, as the shape of the output."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        """One element where they are the same tensor, else none."""
        return x.new_zeros(int(self.inner(x) is x))


@pytest.mark.parametrize("inplace", [True, False])
@pytest.mark.parametrize("cls", [nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Hardsigmoid])
def test_in_place(cls: Any, inplace: bool) -> None:
    """An activation in place gives its input, and otherwise a new tensor."""
    count = count_call(Whether(cls(inplace=inplace)), (MAP,), on="meta", witness="trace")
    assert count.output == [(int(inplace),)]
