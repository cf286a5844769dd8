"""Inputs that are not single tensors."""

import dataclasses
import typing

import torch
import torch.nn.functional as F
from pytorch.traps.modules import CONV, IMG, Fn, conv
from pytorch.traps.table import trap
from torch import nn


@trap(2 * CONV, "keyword-only tensor")
def kwargs_input():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.c = conv()

        def forward(s, x, *, y, flag=False):
            return s.c(x) + s.c(y) if flag else s.c(x)

    return M(), (IMG(),), {"y": IMG(), "flag": True}


@trap(2 * CONV, "a dict of lists")
def dict_input():
    return Fn(lambda s, d: sum(s.c(t) for t in d["xs"]), c=conv()), ({"xs": [IMG(), IMG()]},)


class NT(typing.NamedTuple):
    x: torch.Tensor
    y: torch.Tensor


@trap(2 * CONV, "a NamedTuple in and out")
def namedtuple_input():
    return Fn(lambda s, d: NT(s.c(d.x), s.c(d.y)), c=conv()), (NT(IMG(), IMG()),)


@dataclasses.dataclass
class DC:
    x: torch.Tensor
    y: torch.Tensor | None = None


@trap(2 * CONV, "a dataclass in and out")
def dataclass_input():
    return Fn(lambda s, d: DC(s.c(d.x), s.c(d.y)), c=conv()), (DC(IMG(), IMG()),)


@trap(CONV, "a dataclass out only")
def dataclass_output():
    return Fn(lambda s, x: DC(s.c(x)), c=conv()), (IMG(),)


@trap(
    CONV,
    "size=(16, 16) is an argument, not a tensor",
)
def tuple_of_ints_argument():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.c = conv()

        def forward(s, x, size):
            return F.interpolate(s.c(x), size=size)

    return M(), (IMG(), (16, 16))


@trap(CONV, "ModuleDict chosen by a string")
def moduledict():
    class M(nn.Module):
        def __init__(s):
            super().__init__()
            s.d = nn.ModuleDict({"a": conv(), "b": conv()})

        def forward(s, x, k):
            return s.d[k](x)

    return M(), (IMG(), "a")
