"""The layer that replaces a convolution: an operator's module that fits the old one."""

import copy
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.layers import build_layer
from flopcalc.pytorch.recognition import mark
from flopcalc.replacing.decide import Decision
from flopcalc.spec.operator import Evaluation


def new_layer(old: nn.Module, decision: Decision) -> nn.Module:
    """The operator's layer with the device, dtype, padding mode and training mode of the old convolution.

    Raises FlopcalcError (cannot-stand) where the padding mode cannot be kept.
    """
    evaluation = decision.evaluation
    assert evaluation is not None  # noqa: S101 - a decision for a request has one
    assert isinstance(old, nn.Conv2d)  # noqa: S101 - others have a problem
    factory: dict[str, Any] = {"device": old.weight.device, "dtype": old.weight.dtype}
    new = build_layer(evaluation, **factory)
    if old.padding_mode != "zeros":
        for part in new.modules():
            if isinstance(part, nn.Conv2d):
                part.padding_mode = old.padding_mode
        if _pads_with_zeros(new, evaluation, decision.spot.sized, old.weight.dtype):
            why = f"padding mode {old.padding_mode}, and {evaluation.operator.name} pads with zeros of its own"
            raise FlopcalcError("cannot-stand", why, "keep the convolution")
    if type(new) is not nn.Conv2d:
        mark(new, evaluation.label())
    return new.train(old.training)


class OwnRandomness(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Random kernels draw from generators that start where torch's are, and torch's stay as they are.

    Unlike torch.random.fork_rng it changes nothing in the process, so other threads may draw meanwhile.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Otherwise torch imports its compiler at the first kernel.
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._generators: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            device = torch.device(kwargs.get("device") or getattr(args[0], "device", "cpu"))
            # Kernels that make a tensor take a generator in another overload.
            seeded = func if _takes_generator(func) else getattr(func.overloadpacket, "generator", None)
            if device.type != "meta" and seeded is not None:
                return seeded(*args, **{**kwargs, "generator": self._generator(device)})
        return func(*args, **kwargs)

    def _generator(self, device: torch.device) -> torch.Generator:
        if device not in self._generators:
            generator = torch.Generator(device)
            state = torch if device.type == "cpu" else torch.get_device_module(device)
            generator.set_state(state.get_rng_state())
            self._generators[device] = generator
        return self._generators[device]


def _takes_generator(func: Any) -> bool:
    return any(one.name == "generator" for one in func._schema.arguments)


class _ZeroPadding(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes whether any kernel pads with zeros."""

    # The place of the padding among the arguments of each kernel.
    places = {"convolution": 4, "im2col": 3, "avg_pool2d": 3, "max_pool2d_with_indices": 3}  # noqa: RUF012

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        place = self.places.get(name)
        pads = place is not None and len(args) > place and any(args[place])
        self.seen = self.seen or pads or name == "constant_pad_nd"
        return func(*args, **(kwargs or {}))


def _pads_with_zeros(new: nn.Module, evaluation: Evaluation, sized: bool, dtype: torch.dtype) -> bool:
    g = evaluation.geometry
    size = (g.h, g.w) if sized else (64 * g.k_h, 64 * g.k_w)
    blank = copy.deepcopy(new).to("meta").eval()
    mode = _ZeroPadding()
    try:
        with torch.no_grad(), mode:
            blank(torch.empty(1, g.c_in, *size, device="meta", dtype=dtype))
    except (RuntimeError, NotImplementedError):
        # It could not be checked, so assume that it does.
        return True
    return mode.seen
