"""Errors of other counters: figures that are wrong, not only another convention.

Each one has the smallest module that shows it, as text that runs, the figure that the tool reports, and the right one,
worked out by hand in the tool's own unit and by its own rules: where a tool counts additions of a bias or elements of
an activation, the right figure has them too, once. A test runs each module with the installed tool.
"""

from typing import NamedTuple

from flopcalc.errors import unknown_name
from flopcalc.published.tool_error_cases import CASES, Case
from flopcalc.published.tool_error_rows import BY_HAND, ROWS, Row


class ToolError(NamedTuple):
    """A wrong figure.

    tool: its name in `flopcalc.pytorch.counters`. unit: what the figure counts. printed: what the tool reports, right:
    the right figure. why: the cause in the tool's code. call: how the module is called, where it is not a forward on
    the CPU: "meta", or "backward" for a forward and the backward pass. found: how the error was found.
    """

    tool: str
    version: str
    case: Case
    unit: str
    printed: int
    right: int
    why: str
    call: str
    found: str

    def script(self) -> str:
        """A Python script that prints the tool's figure."""
        meta = self.call == "meta"
        lines = [
            *("import torch", "from torch import nn", "from torch.nn import functional as F"),
            *(["torch.set_default_device('meta')"] if meta else []),
            *("", self.case.module, "module.eval()", f"inputs = {self.case.inputs}"),
        ]
        how = _RUN[self.tool]
        if self.call == "backward":
            how = how.replace("module(*inputs)", "module(*inputs).sum().backward()")
        return "\n".join([*lines, how.replace("FIGURE", "1" if self.unit == "MACs" else "0")]) + "\n"


def tool_errors(tools: tuple[str, ...] = ()) -> list[ToolError]:
    """The errors of these tools, or of all. Raises FlopcalcError (unknown-tool)."""
    known = list(dict.fromkeys(one.tool for one in TOOL_ERRORS))
    for tool in tools:
        if tool not in known:
            raise unknown_name("tool", tool, known, f"one of: {', '.join(known)}")
    return [one for one in TOOL_ERRORS if not tools or one.tool in tools]


_PTFLOPS = """\
import inspect
from ptflops import get_model_complexity_info
# One tensor as it is, several ones as keywords.
given = inputs[0] if len(inputs) == 1 else dict(zip(inspect.signature(module.forward).parameters, inputs))
macs, _ = get_model_complexity_info(
    module, (1,), input_constructor=lambda _: given, as_strings=False, print_per_layer_stat=False, backend="BACKEND"
)
print(macs)"""
_THOP = "from thop import profile\nprint(int(profile(module, inputs, verbose=False)[0]))"
_FLOP_COUNTER = """\
from torch.utils.flop_counter import FlopCounterMode
with FlopCounterMode(display=False) as counter:
    module(*inputs)
print(counter.get_total_flops())"""
# How each tool is run on `module` and `inputs`.
_RUN = {
    "fvcore": "from fvcore.nn import FlopCountAnalysis\nprint(int(FlopCountAnalysis(module, inputs).total()))",
    "ptflops": _PTFLOPS.replace("BACKEND", "pytorch"),
    "ptflops-aten": _PTFLOPS.replace("BACKEND", "aten"),
    "thop": _THOP,
    "ultralytics-thop": _THOP,
    "torchinfo": (
        "from torchinfo import summary\nprint(summary(module, input_data=list(inputs), verbose=0).total_mult_adds)"
    ),
    "calflops": (
        "from calflops import calculate_flops\n"
        "print(calculate_flops(module, args=list(inputs), print_results=False, output_as_string=False)[FIGURE])"
    ),
    "deepspeed": (
        "from deepspeed.profiling.flops_profiler import get_model_profile\n"
        "print(get_model_profile(module, args=list(inputs), print_profile=False, as_string=False)[FIGURE])"
    ),
    "torchprofile": "from torchprofile import profile_macs\nprint(profile_macs(module, inputs))",
    "flop-counter": _FLOP_COUNTER,
}
_VERSIONS = {
    "fvcore": "0.1.5.post20221221",
    "ptflops": "0.7.5",
    "ptflops-aten": "0.7.5",
    "thop": "0.1.1.post2209072238",
    "ultralytics-thop": "2.2.3",
    "torchinfo": "1.8.0",
    "calflops": "0.3.2",
    "deepspeed": "0.19.8",
    "torchprofile": "0.1.0",
    "flop-counter": "2.13.0",
}


def _error(tool: str, row: Row) -> ToolError:
    key, unit, printed, right, why, *more = row
    call, found = more or ("", BY_HAND)
    case = CASES[key]
    if unit == "FLOPs" and key in _PRODUCTS:
        case = case._replace(working=f"2 x {case.working}")
    return ToolError(tool, _VERSIONS[tool], case, unit, printed, right, why, call, found)


# Cases whose right figure is in MACs, where a tool counts FLOPs.
_PRODUCTS = {"einsum large", "attention", "lstm", "matrix times vector", "addbmm"}


TOOL_ERRORS = tuple(_error(tool, row) for tool, rows in ROWS.items() for row in rows)
