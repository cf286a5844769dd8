"""torch's attention without gradients is one kernel, which counters do not know: presets next to the tools."""

from collections.abc import Callable
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("torchprofile")

from torch import nn

from flopcalc.presets.call import ToolFailsError
from flopcalc.presets.registry import RULES
from flopcalc.pytorch.calls.log import log_of
from flopcalc.pytorch.counters import COUNTERS, Figure, run_counter, version_of

SHAPE = (2, 5, 16)


class Attention(nn.Module):
    """Attention among all tokens."""

    def __init__(self, weights: bool = True, **settings: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, **{"batch_first": True, **settings})
        self.weights = weights

    def forward(self, x: Any) -> Any:
        return self.attention(x, x, x, need_weights=self.weights)[0]


class NoGradients(nn.Module):
    """Runs another module without gradients."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        with torch.no_grad():
            return self.inner(x)


def layer(**settings: Any) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(16, 4, 32, **{"batch_first": True, **settings})


def encoder(**settings: Any) -> nn.Module:
    return nn.TransformerEncoder(layer(**settings), 2, enable_nested_tensor=False)


def frozen(module: nn.Module) -> nn.Module:
    return module.requires_grad_(False)


def half_frozen(first: bool) -> nn.Module:
    """A linear layer before attention; one of the two is frozen."""
    module = nn.Sequential(nn.Linear(16, 16), Attention())
    module[0 if first else 1].requires_grad_(False)
    return module


MODULES: dict[str, Callable[[], nn.Module]] = {
    "trained": Attention,
    "frozen": lambda: frozen(Attention()),
    "without gradients": lambda: NoGradients(Attention()),
    "after a frozen layer": lambda: half_frozen(True),
    "after a trained layer": lambda: half_frozen(False),
    "frozen, sequence first": lambda: frozen(Attention(batch_first=False)),
    "frozen, with a bias of the keys": lambda: frozen(Attention(add_bias_kv=True)),
    "frozen, one of several": lambda: frozen(nn.Sequential(nn.Linear(16, 16), Attention(), Attention())),
    "a trained encoder layer": layer,
    "a frozen encoder layer": lambda: frozen(layer()),
    "a frozen encoder layer inside": lambda: NoGradients(frozen(layer())),
    "a frozen encoder layer further inside": lambda: NoGradients(NoGradients(frozen(layer()))),
    "a frozen encoder layer with tanh": lambda: frozen(NoGradients(layer(activation=torch.tanh))),
    "a frozen encoder": lambda: frozen(encoder()),
    "an encoder without gradients": lambda: NoGradients(encoder(norm_first=True)),
}


@pytest.mark.parametrize("tool", RULES)
@pytest.mark.parametrize("name", MODULES)
def test_a_preset_is_equal_to_the_tool(name: str, tool: str) -> None:
    """To the unit."""
    if not version_of(COUNTERS[tool].package):
        pytest.skip(f"{tool} is not installed")
    module = MODULES[name]().eval()
    found = run_counter(tool, module, (SHAPE,))
    log = log_of(module, (SHAPE,))
    if isinstance(found, Figure):
        assert sum(one.amount for one in RULES[tool](log)) == found.value
    else:
        with pytest.raises(ToolFailsError):
            list(RULES[tool](log))


def test_torchprofile_fails_on_an_output_that_is_absent() -> None:
    """Attention that is asked for no weights."""
    module = frozen(Attention(weights=False)).eval()
    assert isinstance(run_counter("torchprofile", module, (SHAPE,)), str)
    with pytest.raises(ToolFailsError, match="attention is one kernel"):
        list(RULES["torchprofile"](log_of(module, (SHAPE,))))


def test_gradients_are_as_before() -> None:
    """A log runs with gradients, as the tools do."""
    for enabled in (True, False):
        with torch.set_grad_enabled(enabled):
            log_of(Attention(), (SHAPE,))
            assert torch.is_grad_enabled() is enabled
