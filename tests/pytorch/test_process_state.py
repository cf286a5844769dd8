"""A forward that changes the process: a count leaves it as it was, whether the forward ends or raises."""

import gc
import random
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from pytorch import snapshots
from torch import Tensor, nn

from flopcalc.pytorch.counting.counter import count_call


def _numbers() -> None:
    torch.manual_seed(3)
    np.random.seed(1)
    random.seed(2)


def _defaults() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(torch.get_num_threads() + 1)


def _flags() -> None:
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_autocast_enabled("cpu", True)
    torch.autograd.set_detect_anomaly(True)
    torch.set_grad_enabled(True)


def _python() -> None:
    warnings.simplefilter("error")
    sys.setrecursionlimit(sys.getrecursionlimit() + 1)
    gc.disable()


def _hooks() -> None:
    nn.modules.module.register_module_forward_hook(lambda *given: None)
    nn.modules.module.register_module_forward_pre_hook(lambda *given: None)


class _Changing(nn.Linear):
    """Changes the process, and then raises, if it is given an error."""

    def __init__(self, change: Callable[[], None], error: BaseException | None) -> None:
        super().__init__(8, 4)
        self.change = change
        self.error = error

    def forward(self, x: Tensor) -> Tensor:
        self.change()
        if self.error:
            raise self.error
        return super().forward(x)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("error", [None, ValueError("wrong"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("change", [_numbers, _defaults, _flags, _python, _hooks], ids=lambda one: one.__name__)
def test_the_process_stays_as_it_was(change: Callable[[], None], error: BaseException | None) -> None:
    """Random numbers, defaults, flags, filters, limits and hooks."""
    module, x = _Changing(change, error), torch.rand(1, 8)
    # The first count may import what torch needs for it.
    count_call(nn.Linear(8, 4), ((1, 8),), witness="dispatch")
    before = snapshots.of_process(), sys.getrecursionlimit(), gc.isenabled()
    with suppress(Exception, KeyboardInterrupt):
        count_call(module, (x,))
    now, *rest = snapshots.of_process(), sys.getrecursionlimit(), gc.isenabled()
    assert {what: (before[0][what], now[what]) for what in now if now[what] != before[0][what]} == {}
    assert (*rest,) == before[1:]


def test_numpy_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch is installed without it too."""
    monkeypatch.delitem(sys.modules, "numpy")
    assert count_call(nn.Linear(8, 4), ((1, 8),)).macs == 32
    assert "numpy" not in sys.modules
