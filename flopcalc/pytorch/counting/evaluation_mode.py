"""Putting a copy into evaluation mode, or into training mode, also where its class refuses to."""

from collections.abc import Iterable

import torch
from torch import nn

from flopcalc.pytorch.counting.contents import modules_of


def evaluate(module: nn.Module, modules: Iterable[nn.Module] | None = None) -> None:
    """Put a copy into evaluation mode. modules: all of its modules."""
    modules = _all(module, modules)
    # A frozen program of TorchScript has no such flag.
    if not any(getattr(child, "training", False) for child in modules):
        return
    if any(_decides_on_training(child) for child in modules):
        try:
            module.eval()
        except Exception:
            # A program of torch.export has no other mode, and refuses to be asked.
            modules = [child for child in modules if not isinstance(child, torch.jit.ScriptModule)]
        else:
            return
    for child in modules:
        child.__dict__["training"] = False


def into_training(module: nn.Module, modules: Iterable[nn.Module] | None = None) -> None:
    """Put a copy into training mode. modules: all of its modules."""
    try:
        module.train()
    except Exception:
        for child in _all(module, modules):
            if not isinstance(child, torch.jit.ScriptModule):
                child.__dict__["training"] = True


def _all(module: nn.Module, modules: Iterable[nn.Module] | None) -> list[nn.Module]:
    return [child for _, child in modules_of(module)] if modules is None else list(modules)


def _decides_on_training(module: nn.Module) -> bool:
    kind = type(module)
    own = {"train", "eval"} & vars(module).keys()
    return bool(own) or kind.train is not nn.Module.train or kind.eval is not nn.Module.eval
