"""Which modules are layers of their own, and which belong to a layer that is counted as a whole."""

from collections.abc import Iterable

from torch import nn
from torch.nn.utils import parametrize

from flopcalc.pytorch.named_class import file_of
from flopcalc.pytorch.recognition import LAYERS, is_marked, operator_of


def is_piece(module: nn.Module) -> bool:
    """Whether it is one of our modules that are not operators, of which described networks are built."""
    return file_of(type(module)).startswith(f"{LAYERS}._")


def is_whole(module: nn.Module) -> bool:
    """Whether a module is one layer together with its children: an operator, fused attention."""
    return _is_whole_class(module) or is_marked(module) or parametrize.is_parametrized(module)


def _is_whole_class(module: nn.Module) -> bool:
    return operator_of(module) is not None or is_piece(module) or isinstance(module, nn.MultiheadAttention)


def layers_by_module(modules: Iterable[tuple[str, nn.Module]]) -> dict[str, str]:
    """Name of each module -> name of the layer that it belongs to, usually itself. modules: as `modules_of` gives."""
    owner: dict[str, str] = {}
    whole: set[str] = set()
    # Classes are few where modules are many.
    classes: dict[type, bool] = {}
    for name, child in modules:
        above = owner.get(name.rpartition(".")[0], "") if name else ""
        owner[name] = above if above in whole else name
        if owner[name] == name:
            cls = type(child)
            if is_marked(child) or "parametrizations" in child._modules:
                found = is_whole(child)
            elif cls in classes:
                found = classes[cls]
            else:
                found = classes[cls] = is_whole(child)
            if found:
                whole.add(name)
    return owner
