"""Errors of other counters: figures that are wrong, not only another convention.

Each one has the smallest module that shows it, as text that runs, the figure that the tool reports, and the right one,
worked out by hand in the tool's own unit and by its own rules: where a tool counts additions of a bias or elements of
an activation, the right figure has them too, once. A test runs each module with the installed tool.
"""

from typing import NamedTuple

from flopcalc.errors import unknown_name
from flopcalc.published.tool_error_cases import CASES, Case


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

_BY_HAND = "every tool was run on single layers, and compared with a count by hand"
_BY_SWEEP = "the tools disagree on a network of torchvision or timm; then reduced to one layer"
_BY_SOURCE = "the tool's code was read; then shown by a module"
_PATCHED = "it patches functions of torch, and not this one"
_OPERATOR = "operators between tensors call torch's C++ code, and not the function that it patches"
_MODULES = "it sees modules only; what their forward computes by functions is 0"
_EXACT_TYPE = "it looks its rules up by the exact class, so a subclass counts as nothing"
_MATMUL = "it multiplies all sizes of the first factor by the last size of the second"
_NUMPY = "it reads the count out of a text of NumPy's, which has four digits"
_PROJECTION = "the projection of proj_size is left out, or counted as if the state were not projected"
_PARAMETERS = "it multiplies parameters by the batch, not by the positions that use them"


def _errors(
    tool: str, *rows: tuple[str, str, int, int, str] | tuple[str, str, int, int, str, str, str]
) -> list[ToolError]:
    found = []
    for case, unit, printed, right, why, *more in rows:
        call, how = more or ("", _BY_HAND)
        found.append(ToolError(tool, _VERSIONS[tool], CASES[case], unit, printed, right, why, call, how))
    return found


TOOL_ERRORS: tuple[ToolError, ...] = (
    *_errors(
        "fvcore",
        (
            "same",
            "MACs",
            0,
            18432,
            "torch.jit records it as aten::_convolution_mode, which has no rule; listed as unsupported",
        ),
        ("broadcast product", "MACs", 60, 420, _MATMUL),
        ("baddbmm", "MACs", 0, 100, "aten::baddbmm has no rule; listed as unsupported"),
        ("einsum large", "MACs", 1113000, 1113121, _NUMPY),
        ("einsum transpose", "MACs", 12, 0, "it takes half of NumPy's count for a copy"),
        (
            "attention",
            "MACs",
            0,
            560,
            "aten::scaled_dot_product_attention has no rule; listed as unsupported",
            "",
            _BY_SWEEP,
        ),
        ("lstm", "MACs", 0, 1920, "recurrent layers have no rule; listed as unsupported"),
        ("nearest sampling", "MACs", 144, 0, "it takes every mode for bilinear", "", _BY_SOURCE),
    ),
    *_errors(
        "ptflops",
        ("relu", "MACs", 48, 24, "the hook of the module counts it, and so does the patched F.relu"),
        ("maxpool", "MACs", 128, 64, "the hook of the module counts it, and so does the patched F.max_pool2d"),
        ("upsample", "MACs", 512, 256, "the hook of the module counts it, and so does the patched F.interpolate"),
        ("layernorm", "MACs", 24, 48, "it looks for the attribute affine, which is elementwise_affine here"),
        ("F.linear", "MACs", 0, 60, "the line that patches F.linear is commented out"),
        ("F.conv2d", "MACs", 0, 18432, _PATCHED),
        ("subclass", "MACs", 0, 18432, _EXACT_TYPE, "", _BY_SWEEP),
        ("weight_norm", "MACs", 0, 60, "parametrizing changes the layer's class, and " + _EXACT_TYPE),
        ("unbatched", "MACs", 2304, 18432, "it takes the channels for the batch, and divides the positions by it"),
        ("vector", "MACs", 3, 12, "it takes the size of the vector for a batch, and divides by it"),
        ("shared", "MACs", 64, 32, "the layer's sum over its calls is added for each container"),
        ("batch", "MACs", 120, 60, "figures of modules are divided by the batch, those of functions are not"),
        ("@", "MACs", 0, 60, _OPERATOR),
        ("mul", "MACs", 0, 12, _OPERATOR + ", torch.mul"),
        ("mul broadcast", "MACs", 48, 12, "it aligns the shapes at their first axes", "", _BY_SOURCE),
        ("einsum", "MACs", 0, 60, _PATCHED),
        ("addmm", "MACs", 63, 75, "the bias is counted once, not for each row"),
        ("matrix times vector", "MACs", 80, 20, _MATMUL),
        ("broadcast product", "MACs", 60, 420, _MATMUL),
        ("attention", "MACs", 0, 560, _PATCHED),
        (
            "self-attention twice",
            "MACs",
            2380,
            1930,
            "the hook of the module counts the products, and so do torch.bmm and F.softmax",
        ),
        (
            "self-attention without bias",
            "MACs",
            1810,
            1770,
            "the bias of the last projection is always counted",
            "",
            _BY_SOURCE,
        ),
        (
            "attention sizes",
            "MACs",
            1090,
            1610,
            "it takes the keys' size for that of the projection and of the heads",
            "",
            _BY_SOURCE,
        ),
        (
            "timm attention",
            "MACs",
            490,
            1810,
            "a module with a rule of its own hides the linear layers in it",
            "",
            _BY_SWEEP,
        ),
        ("projected lstm", "MACs", 1520, 1640, _PROJECTION, "", _BY_SOURCE),
    ),
    *_errors(
        "ptflops-aten",
        ("attention", "MACs", 0, 560, "the fused kernels of attention have no rule", "", _BY_SWEEP),
        ("baddbmm", "MACs", 0, 100, "aten.baddbmm has no rule"),
        ("lstm", "MACs", 0, 1920, "on the CPU the layer is one kernel, which has no rule"),
        ("matrix times vector", "MACs", 0, 20, "aten.mv has no rule"),
    ),
    *_errors(
        "thop",
        ("transposed", "MACs", 4608, 1152, "it multiplies by the positions of the output, not of the input"),
        ("subclass", "MACs", 0, 18432, _EXACT_TYPE, "", _BY_SWEEP),
        ("weight_norm", "MACs", 0, 60, "parametrizing changes the layer's class, and " + _EXACT_TYPE),
        ("unbatched", "MACs", 36864, 18432, "it takes the second size of the input for its channels"),
        (
            "shared",
            "MACs",
            128,
            32,
            "it puts a hook on the layer for each container, and adds its sum for each; one hook stays behind",
        ),
        ("@", "MACs", 0, 60, _MODULES),
        ("self-attention", "MACs", 0, 1680, _MODULES, "", _BY_SWEEP),
        ("avgpool", "MACs", 16, 80, "the window is left out, which adaptive pooling counts"),
        ("uneven windows", "MACs", 34, 58, "it takes 5/3 for the size of every window"),
        ("trilinear", "MACs", 0, 63488, "its list of modes lacks the one that its formula has", "", _BY_SOURCE),
        ("projected lstm", "MACs", 2240, 1560, _PROJECTION, "", _BY_SOURCE),
    ),
    *_errors(
        "ultralytics-thop",
        ("F.conv2d", "MACs", 0, 18432, "it counts some functions, and not this one"),
        ("mm", "MACs", 0, 60, "it counts torch.matmul and torch.bmm, and not torch.mm"),
        ("baddbmm", "MACs", 0, 100, "it counts torch.bmm, and not torch.baddbmm"),
        ("einsum of three", "MACs", 0, 120, "an einsum of more than two factors is left out", "", _BY_SOURCE),
    ),
    *_errors(
        "torchinfo",
        ("tokens", "mult-adds", 12, 60, _PARAMETERS, "", _BY_SWEEP),
        ("vector", "mult-adds", 36, 12, "it takes the first size of the output for a batch"),
        ("batchnorm", "mult-adds", 8, 512, _PARAMETERS),
        ("transposed", "mult-adds", 4608, 1152, "it multiplies by the positions of the output, not of the input"),
        (
            "embedding",
            "mult-adds",
            40,
            0,
            "it multiplies all parameters by the batch, and no row is multiplied by anything",
        ),
        (
            "self-attention",
            "mult-adds",
            0,
            1680,
            "a module with a child is taken for a container, and its own parameters are left out",
            "",
            _BY_SWEEP,
        ),
        ("weight_norm", "mult-adds", 0, 60, "a parametrized layer has a child, and so is taken for a container"),
        ("@", "mult-adds", 12, 60, "it sees modules only, and multiplies their parameters by the batch"),
    ),
    *_errors(
        "calflops",
        ("transposed depthwise", "MACs", 0, 144, "the channels of a group are divided by the groups once more"),
        ("transposed bias", "FLOPs", 2312, 2592, "the size of the output is that of a convolution"),
        ("same even", "MACs", 6272, 8192, "it pads both sides by half of an odd number, rounded down", "", _BY_SOURCE),
        ("bias", "FLOPs", 120, 135, "left out here, and counted for convolutions"),
        ("shared", "MACs", 64, 32, "the layer's sum over its calls is added for each container"),
        ("@", "MACs", 0, 60, _OPERATOR),
        ("mul", "FLOPs", 0, 12, _OPERATOR + ", torch.mul"),
        ("mm", "MACs", 0, 60, "the line that patches torch.mm is commented out"),
        ("bmm", "MACs", 0, 60, "the line that patches torch.bmm is commented out"),
        ("addmm", "FLOPs", 123, 135, "the bias is counted once, not for each row"),
        ("mul broadcast", "FLOPs", 48, 12, "it aligns the shapes at their first axes", "", _BY_SOURCE),
        ("matrix times vector", "MACs", 80, 20, _MATMUL),
        ("broadcast product", "MACs", 60, 420, _MATMUL),
        ("einsum", "MACs", 0, 60, "only the FLOPs are counted"),
        ("einsum large", "FLOPs", 2226000, 2226242, _NUMPY),
        ("attention", "MACs", 0, 560, _PATCHED, "", _BY_SWEEP),
        ("lstm", "MACs", 0, 1920, "only the FLOPs are counted"),
        ("interpolate", "FLOPs", 64, 256, "the product with the factor is computed, and dropped", "", _BY_SOURCE),
        ("interpolate size", "FLOPs", 64, 256, "the batch and the channels are left out", "", _BY_SOURCE),
        ("overlapping windows", "FLOPs", 400, 1440, "each element of the input is counted once, whatever the windows"),
    ),
    *_errors(
        "deepspeed",
        (
            "linear on meta",
            "MACs",
            120,
            60,
            "torch's kernel of the meta device calls torch.mm, which is patched",
            "meta",
            _BY_SWEEP,
        ),
        ("same even", "MACs", 6272, 8192, "it pads both sides by half of an odd number, rounded down", "", _BY_SOURCE),
        ("bias", "FLOPs", 120, 135, "left out here, and counted for convolutions"),
        ("mul", "FLOPs", 0, 12, _OPERATOR + ", torch.mul"),
        ("addmm", "FLOPs", 123, 135, "the bias is counted once, not for each row"),
        ("matrix times vector", "MACs", 80, 20, _MATMUL),
        ("broadcast product", "MACs", 60, 420, _MATMUL),
        ("einsum", "MACs", 0, 60, "only the FLOPs are counted"),
        ("einsum large", "FLOPs", 2226000, 2226242, _NUMPY),
        ("lstm", "MACs", 0, 1920, "only the FLOPs are counted"),
        ("interpolate size", "FLOPs", 64, 256, "the batch and the channels are left out", "", _BY_SOURCE),
        ("overlapping windows", "FLOPs", 400, 1440, "each element of the input is counted once, whatever the windows"),
    ),
    *_errors(
        "torchprofile",
        ("transposed", "MACs", 4608, 1152, "it multiplies by the positions of the output, not of the input"),
        ("same", "MACs", 0, 18432, "torch.jit records it as aten::_convolution_mode, which has no rule; it warns"),
        ("mm", "MACs", 0, 60, "aten::mm has no rule; it warns"),
        ("einsum ellipsis", "MACs", 0, 60, "an einsum with an ellipsis is left out", "", _BY_SOURCE),
        ("einsum transpose", "MACs", 24, 0, "it multiplies all sizes, whatever is computed", "", _BY_SOURCE),
        ("gru", "MACs", 0, 1440, "of the recurrent layers, only nn.LSTM has a rule; it warns"),
        ("projected lstm", "MACs", 420, 1240, _PROJECTION, "", _BY_SOURCE),
    ),
    *_errors(
        "flop-counter",
        (
            "grouped backward",
            "FLOPs",
            23040,
            9216,
            "the formula of convolution_backward leaves out the groups",
            "backward",
            _BY_HAND,
        ),
        (
            "attention",
            "FLOPs",
            0,
            1120,
            "the fused kernel of the CPU has no formula; on the meta device it is right",
            "",
            _BY_SWEEP,
        ),
        ("lstm", "FLOPs", 0, 3840, "the kernel of the CPU has no formula; on the meta device it is right"),
        ("matrix times vector", "FLOPs", 0, 40, "aten.mv has no formula"),
        ("complex", "FLOPs", 120, 480, "complex numbers count as real ones"),
    ),
)
