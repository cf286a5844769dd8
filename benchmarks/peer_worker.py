"""One tool on one model in this process: whole-process and in-process time, peak memory, and the figure.

    python benchmarks/peer_worker.py '{"tool": "fvcore", "model": "resnet50", "start": ..., "seconds": 1.5, "least": 3}'

Prints one JSON object. tool: one of flopcalc.pytorch.counters, or flopcalc, `flopcalc model`, `build` (the model alone,
on the meta device), `build on the CPU`. start: time.monotonic() of the process that started this one.
"""

import contextlib
import copy
import io
import json
import sys
import time
import warnings
from typing import Any

from processes import peak_bytes, repeated

# Model -> the shape of its input with the batch.
INPUTS = {
    "resnet50": (1, 3, 224, 224),
    "mobilenet_v2": (1, 3, 224, 224),
    "vit_b_16": (1, 3, 224, 224),
    "swin_t": (1, 3, 224, 224),
    "lstm": (1, 128, 256),
    "llama_70b": (1, 128),
}
# Two layers of 512 units on 128 steps, and a linear layer on each step.
LSTM_FILE = """\
from torch import nn


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(256, 512, 2, batch_first=True)
        self.out = nn.Linear(512, 1000)

    def forward(self, x):
        return self.out(self.lstm(x)[0])
"""
LLAMA: dict[str, Any] = {
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
}
FLOPCALC, COMMAND, BUILD, BUILD_CPU = "flopcalc", "flopcalc model", "build", "build on the CPU"


def build(model: str, device: str) -> Any:
    """The model on a device, in evaluation mode, with random weights."""
    import torch

    with torch.device(device):
        if model == "lstm":
            found: dict[str, Any] = {}
            exec(LSTM_FILE, found)  # noqa: S102 - the text above
            return found["Recurrent"]().eval()
        from flopcalc.pytorch.loading import torchvision_operators

        torchvision_operators.declare()
        if model == "llama_70b":
            if device != "meta":
                raise MemoryError("280 GB of weights; on the meta device only")
            from transformers import LlamaConfig, LlamaForCausalLM

            llama: Any = LlamaForCausalLM(LlamaConfig(**LLAMA))
            return llama.eval()
        import torchvision

        return torchvision.models.get_model(model, weights=None).eval()


def inputs(model: str, device: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Its arguments by position and by name."""
    import torch

    if model == "llama_70b":
        return (), {"input_ids": torch.zeros(INPUTS[model], dtype=torch.long, device=device)}
    return (
        torch.randn(INPUTS[model], device=device) if device == "cpu" else torch.empty(INPUTS[model], device=device),
    ), {}


def device_of(tool: str, model: str) -> str:
    """Where a tool runs: on the meta device where its figure is the same there, else on the CPU."""
    if tool in (FLOPCALC, COMMAND, BUILD) or model == "llama_70b":
        return "meta"
    if tool == BUILD_CPU:
        return "cpu"
    from flopcalc.pytorch.counters.counters import COUNTERS

    return COUNTERS[tool].on


def command(model: str) -> list[str]:
    """The words of `flopcalc model` for a model."""
    shape = "x".join(map(str, INPUTS[model][1:]))
    if model == "llama_70b":
        settings = [word for name, value in LLAMA.items() for word in ("--set", f"{name}={value}")]
        return ["model", "hf:LlamaForCausalLM", *settings, "--input", f"{shape}:int64"]
    if model == "lstm":
        import os
        import tempfile

        path = os.path.join(tempfile.mkdtemp(), "recurrent.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(LSTM_FILE)
        return ["model", f"{path}:Recurrent", "--input", shape]
    return ["model", f"torchvision:{model}", "--input", shape]


def limit_memory(gib: int) -> None:
    """Let allocations fail rather than take the memory of other work on the machine."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (gib * 2**30, gib * 2**30))


def measure(asked: dict[str, Any]) -> dict[str, Any]:
    """The record of one tool on one model. An error of the tool is in `why_not`."""
    tool, model = asked["tool"], asked["model"]
    found: dict[str, Any] = {"tool": tool, "device": device_of(tool, model)}
    if tool == COMMAND:
        from flopcalc.cli.main import main

        words = [*command(model), "--format", "json"]
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            code = main(words)
        found |= _whole(asked) | {"figure": json.loads(text.getvalue())["macs"] if not code else None}
        return found | ({"why_not": f"exit code {code}"} if code else {})
    module = build(model, found["device"])
    if tool in (BUILD, BUILD_CPU):
        return found | _whole(asked)
    args, named = inputs(model, found["device"])
    count = _counter(tool)
    pristine = copy.deepcopy(module)
    start = time.perf_counter()
    found["figure"] = int(count(module, args, named))
    found["first_s"] = time.perf_counter() - start
    found |= _whole(asked)
    again = repeated(
        lambda one: count(one, args, named), lambda: copy.deepcopy(pristine), asked["seconds"], asked["least"]
    )
    return found | again


def _whole(asked: dict[str, Any]) -> dict[str, Any]:
    """The time since the process was started, and its peak memory."""
    return {
        "whole_wall_s": time.monotonic() - asked["start"],
        "whole_cpu_s": time.process_time(),
        "peak_bytes": peak_bytes(),
    }


def _counter(tool: str) -> Any:
    """A function of a module and its arguments that gives the tool's figure."""
    if tool == FLOPCALC:
        from flopcalc.pytorch import count

        return lambda module, args, named: count(module, *args, **named).macs
    from flopcalc.pytorch.counters.counters import COUNTERS
    from flopcalc.pytorch.counters.installed import load
    from flopcalc.pytorch.loading import torchvision_operators

    counter, loaded = COUNTERS[tool], load(COUNTERS[tool].package)

    def run(module: Any, args: Any, named: Any) -> float:
        with torchvision_operators.enabled():
            return counter.run(loaded, module, args, named)[0]

    return run


def main(text: str) -> None:
    """Measure, and print the record; what the tools print goes nowhere."""
    asked = json.loads(text)
    limit_memory(asked.get("gib", 8))
    warnings.simplefilter("ignore")
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            found = measure(asked)
    except BaseException as error:
        cause = error.__cause__ or error
        said = f"{type(cause).__name__}: {cause}" if str(cause) != "no result" else printed.getvalue().strip()
        found = {"tool": asked["tool"], "device": device_of(asked["tool"], asked["model"])}
        found["why_not"] = " ".join(said.split())[:300] or "it gives no result"
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
