"""The counters: which package each one is, what its figure counts, and how it is run.

Each one is run as its documentation shows, in evaluation mode. Where the documentation uses no `torch.no_grad`,
gradients are enabled, and then torch does not take the fused kernels of attention and encoder layers.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from flopcalc.pytorch.calls.trace import outputs

Args = Sequence[Any]
Named = Mapping[str, Any]
# The headline, the second figure of MACs if there is one, and the operators that the tool reports as uncounted.
Result = tuple[float, float | None, Mapping[str, int]]


class Counter(NamedTuple):
    """One tool, or one way to run it.

    package: the distribution. figure: what its headline counts, in its own words. no_grad: whether the tool itself
    switches gradients off. on: "meta" where its figure is the same on the meta device, which computes nothing. It is
    not where a tool patches functions that torch's kernels of that device call, and torch.jit does not trace there.
    """

    package: str
    figure: str
    no_grad: bool
    on: Literal["meta", "cpu"]
    run: Callable[[Any, nn.Module, Args, Named], Result]


class _Call(nn.Module):
    """Calls a module with arguments by position and by name, for tools that pass them on in one way only."""

    def __init__(self, inner: nn.Module, positions: int, names: Sequence[str]) -> None:
        super().__init__()
        self.inner = inner
        self.positions = positions
        self.names = tuple(names)

    def forward(self, *args: Any, **named: Any) -> Any:
        """The output of the inner module."""
        given = [*args, *named.values()]
        return self.inner(*given[: self.positions], **dict(zip(self.names, given[self.positions :], strict=True)))


def _by_position(module: nn.Module, args: Args, named: Named) -> tuple[nn.Module, tuple[Any, ...]]:
    """A module and its arguments, all by position."""
    if not named:
        return module, tuple(args)
    return _Call(module, len(args), list(named)), (*args, *named.values())


class _Flat(nn.Module):
    """Gives a module's tensors as a tuple: torch.jit refuses outputs of other classes."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: Any) -> tuple[Tensor, ...]:
        """The tensors of the inner module's output."""
        return tuple(outputs(self.inner(*args)))


def _fvcore(tool: Any, module: nn.Module, args: Args, named: Named) -> Result:
    called, given = _by_position(module, args, named)
    found = tool.FlopCountAnalysis(_Flat(called), given).unsupported_ops_warnings(False)
    found = found.uncalled_modules_warnings(False).tracer_warnings("none")
    total = found.total()
    return total, None, found.unsupported_ops()


def _ptflops(backend: str) -> Callable[[Any, nn.Module, Args, Named], Result]:
    def run(tool: Any, module: nn.Module, args: Args, named: Named) -> Result:
        called, given = module, args[0] if args else None
        if len(args) != 1 or named or not isinstance(given, Tensor):
            # Several inputs go as keywords.
            called = _Call(module, len(args), list(named))
            given = {f"input_{place}": value for place, value in enumerate([*args, *named.values()])}
        macs, _ = tool.get_model_complexity_info(
            called,
            (1,),
            input_constructor=lambda _: given,
            as_strings=False,
            print_per_layer_stat=False,
            backend=backend,
        )
        if macs is None:
            raise RuntimeError("no result")
        return macs, None, {}

    return run


def _thop(tool: Any, module: nn.Module, args: Args, named: Named) -> Result:
    called, given = _by_position(module, args, named)
    return tool.profile(called, inputs=given, verbose=False)[0], None, {}


def _torchinfo(tool: Any, module: nn.Module, args: Args, named: Named) -> Result:
    called, given = _by_position(module, args, named)
    try:
        return tool.summary(called, input_data=list(given), verbose=0).total_mult_adds, None, {}
    finally:
        # It keeps the last module of each class.
        tool.torchinfo.clear_cached_forward_pass()


def _calflops(tool: Any, module: nn.Module, args: Args, named: Named) -> Result:
    try:
        flops, macs, _ = tool.calculate_flops(
            module, args=list(args), kwargs=dict(named), print_results=False, output_as_string=False
        )
    finally:
        _forget(tool.CalFlopsPipline.__init__.__globals__)
    return flops, macs, {}


def _deepspeed(tool: Any, module: nn.Module, args: Args, named: Named) -> Result:
    try:
        flops, macs, _ = tool.get_model_profile(
            module, args=list(args), kwargs=dict(named), print_profile=False, as_string=False
        )
    finally:
        _forget(vars(tool))
    return flops, macs, {}


def _forget(contents: dict[str, Any]) -> None:
    """Empty the lists that a profiler of this family fills, and does not empty where the forward raises."""
    for name in ("module_flop_count", "module_mac_count", "old_functions"):
        contents[name].clear()


def _torchprofile(tool: Any, module: nn.Module, args: Args, named: Named) -> Result:
    called, given = _by_position(module, args, named)
    return tool.profile_macs(called, given), None, {}


def _flop_counter(tool: Any, module: nn.Module, args: Args, named: Named) -> Result:
    with tool.FlopCounterMode(display=False) as counter:
        module(*args, **named)
    return counter.get_total_flops(), None, {}


COUNTERS: dict[str, Counter] = {
    "fvcore": Counter("fvcore", "FLOPs, one for each MAC", False, "cpu", _fvcore),
    "ptflops": Counter("ptflops", "MACs, back end pytorch", False, "cpu", _ptflops("pytorch")),
    "ptflops-aten": Counter("ptflops", "MACs, back end aten", False, "cpu", _ptflops("aten")),
    "thop": Counter("thop", "MACs", True, "meta", _thop),
    "ultralytics-thop": Counter("ultralytics-thop", "MACs", True, "meta", _thop),
    "torchinfo": Counter("torchinfo", "mult-adds", True, "meta", _torchinfo),
    "calflops": Counter("calflops", "FLOPs", False, "cpu", _calflops),
    "deepspeed": Counter("deepspeed", "FLOPs", False, "cpu", _deepspeed),
    "torchprofile": Counter("torchprofile", "MACs", False, "cpu", _torchprofile),
    "flop-counter": Counter("torch", "FLOPs, two for each MAC, on meta tensors", False, "meta", _flop_counter),
    "flop-counter-cpu": Counter("torch", "FLOPs, two for each MAC, on CPU tensors", False, "cpu", _flop_counter),
}
