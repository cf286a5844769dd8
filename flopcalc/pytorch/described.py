"""A module for a described network: that of torchvision or timm which it mirrors, or one built from the description."""

from collections.abc import Callable
from functools import cache
from importlib import import_module

import torch
from torch import nn

from flopcalc.networks.network import Network
from flopcalc.pytorch.build import build_network
from flopcalc.pytorch.counters import reported
from flopcalc.pytorch.counting.counter import count
from flopcalc.pytorch.loading import torchvision_operators


def module_of(network: Network) -> nn.Module:
    """The module that a description mirrors, if its package is installed and it is the same network.

    Otherwise a module built from the description, in which our own classes do what torch has no class for. An option or
    a replacement can change the description: a mirror counts only with as many parameters and MACs.
    """
    made = _mirrored(network)
    if made is not None:
        found = count(made, (network.batch, *network.input_shape))
        if (found.params, found.macs) == (network.params, network.macs):
            return made
    # A description counts all its layers; a counter that traces counts those that an output depends on.
    return build_network(network, all_outputs=True)


def _mirrored(network: Network) -> nn.Module | None:
    """The module of torchvision or timm that a description names; None where there is none."""
    package, _, name = network.mirrors.replace(" ", ".").rpartition(".")
    if package not in {"torchvision.models", "timm"}:
        return None
    try:
        # Timm imports torchvision.
        torchvision_operators.declare()
        if package == "timm":
            made: nn.Module = import_module("timm").create_model(name)
        else:
            made = import_module("torchvision.models").get_model(name, weights=None)
    except (ImportError, ValueError, RuntimeError):
        return None
    return made


def runner(network: Network) -> Callable[[str], tuple[int, str] | str]:
    """Runs counters on the module of a described network."""
    module = cache(lambda: module_of(network))
    given = (torch.empty(network.batch, *network.input_shape, device="meta"),)
    return lambda name: reported(name, module(), given)
