"""Which modules are layers of their own, and which belong to a layer that is counted as a whole."""

from torch import nn
from torch.nn.utils import parametrize

from flopcalc.pytorch.recognition import LAYERS, operator_of


def is_piece(module: nn.Module) -> bool:
    """Whether it is one of our modules that are not operators, of which described networks are built."""
    return type(module).__module__.startswith(f"{LAYERS}._")


def is_whole(module: nn.Module) -> bool:
    """Whether a module is one layer together with its children: an operator, fused attention."""
    return (
        operator_of(module) is not None
        or is_piece(module)
        or isinstance(module, nn.MultiheadAttention)
        or parametrize.is_parametrized(module)
    )


def layers_by_module(module: nn.Module) -> dict[str, str]:
    """Name of each module -> name of the layer that it belongs to, usually itself."""
    owner: dict[str, str] = {}
    whole: set[str] = set()
    for name, child in module.named_modules():
        above = owner.get(name.rpartition(".")[0], "") if name else ""
        owner[name] = above if above in whole else name
        if owner[name] == name and is_whole(child):
            whole.add(name)
    return owner
