"""A module for a described network: that of torchvision or timm which it mirrors, or one built from the description."""

from collections.abc import Callable
from functools import cache
from importlib import import_module

import torch
from torch import nn

from flopcalc.networks.network import Network
from flopcalc.pytorch.build import build_network
from flopcalc.pytorch.counters import Figure, run_counter
from flopcalc.pytorch.loading import torchvision_operators


def module_of(network: Network) -> nn.Module:
    """The module that a description mirrors, if its package is installed and its options are the defaults.

    Otherwise a module built from the description, in which our own classes do what torch has no class for.
    """
    package, _, name = network.mirrors.replace(" ", ".").rpartition(".")
    if not network.options and not name:
        return build_network(network)
    try:
        # Timm imports torchvision.
        torchvision_operators.declare()
        if package == "torchvision.models":
            made = import_module("torchvision.models").get_model(name, weights=None)
        elif package == "timm":
            made = import_module("timm").create_model(name)
        else:
            return build_network(network)
    except (ImportError, ValueError, RuntimeError):
        return build_network(network)
    module: nn.Module = made
    own = sum(one.numel() for one in module.parameters())
    return module if own == network.params else build_network(network)


def runner(network: Network) -> Callable[[str], tuple[int, str] | str]:
    """Runs counters on the module of a described network."""
    module = cache(lambda: module_of(network))

    def run(name: str) -> tuple[int, str] | str:
        found = run_counter(name, module(), (torch.empty(network.batch, *network.input_shape, device="meta"),))
        return (found.value, found.version) if isinstance(found, Figure) else found

    return run
