"""Measure start-up next to its floors: processes that only import what a command cannot do without.

For a Python model the floor is a process that imports torch and the model's package, and builds it on the meta device.
"""

import importlib.util
import os
import tempfile
from typing import Any, NamedTuple

from processes import flopcalc_process, take_turns

FLOORS = {
    "python -c pass": "pass",
    "import click": "import click",
    "import click, rich.console, rich.table": "import click, rich.console, rich.table",
    "import numpy": "import numpy",
    "import sympy": "import sympy",
    "import torch": "import torch",
}
# A command, and the floor that it is compared with.
COMMANDS = {
    "flopcalc --version": "import click",
    "flopcalc layer --type compconv --cin 256": "import click",
    "flopcalc layer --type compconv --cin 256 --format json": "import click",
    "flopcalc model resnet50 --replace spconv": "import click",
    "flopcalc roofline resnet50 --device h100": "import click",
    "flopcalc sweep conv --cin 64 --format csv": "import numpy",
    "flopcalc formula ghost": "import sympy",
}


class Job(NamedTuple):
    """A target with its input. package: what it needs. builds: Python code that builds the same model as `m`."""

    package: str
    target: str
    input: str
    before: str
    builds: str


FILE = "from torch import nn\ndef net():\n    return nn.Conv2d(3, 8, 3)\n"
# A torchvision built for another torch is imported only when its operators are declared.
DECLARE = """
try:
    import torchvision
except RuntimeError:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
LLAMA = "from transformers import LlamaConfig, LlamaForCausalLM"
JOBS = (
    Job("torch", "{folder}/net.py:net", "3x32x32", "from torch import nn", "nn.Conv2d(3, 8, 3)"),
    Job(
        "torchvision",
        "torchvision:resnet50",
        "3x224x224",
        f"{DECLARE}import torchvision",
        "torchvision.models.resnet50()",
    ),
    Job("timm", "timm:vit_base_patch16_224", "3x224x224", f"{DECLARE}import timm", "timm.create_model('{name}')"),
    Job("transformers", "hf:LlamaForCausalLM", "128:int64", f"{DECLARE}{LLAMA}", "LlamaForCausalLM(LlamaConfig())"),
)


def commands(rounds: int) -> list[dict[str, Any]]:
    """Floors and commands: seconds, CPU seconds, and the ratio of CPU seconds to the floor."""
    jobs = {name: ["-c", source] for name, source in FLOORS.items() if importable(source)}
    jobs |= {text: flopcalc_process(text.split()) for text, floor in COMMANDS.items() if floor in jobs}
    found = take_turns(jobs, rounds)
    return [
        {
            "what": name,
            "wall_s": seconds.wall,
            "cpu_s": seconds.cpu,
            "floor": COMMANDS.get(name),
            "ratio": seconds.cpu / found[COMMANDS[name]].cpu if name in COMMANDS else None,
        }
        for name, seconds in found.items()
    ]


def importable(source: str) -> bool:
    """Whether the packages that a line imports are installed."""
    names = source.removeprefix("import ").split(", ") if source.startswith("import ") else []
    return all(importlib.util.find_spec(name.partition(".")[0]) is not None for name in names)


def models(rounds: int) -> list[dict[str, Any]]:
    """`flopcalc model` for Python models, and processes that only build them. Packages that are missing are named."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "net.py"), "w", encoding="utf-8") as file:
            file.write(FILE)
        for job in JOBS:
            name = job.target.removeprefix("{folder}/")
            if importlib.util.find_spec(job.package) is None:
                found.append({"what": name, "why_not": f"{job.package} is not installed"})
                continue
            builds = job.builds.format(name=name.partition(":")[2])
            words = ["flopcalc", "model", job.target.format(folder=folder), "--input", job.input]
            floor = f"import torch\n{job.before}\nwith torch.device('meta'):\n    m = {builds}"
            times = take_turns({"floor": ["-c", floor], "flopcalc": flopcalc_process(words)}, rounds)
            found.append(
                {
                    "what": name,
                    "floor_wall_s": times["floor"].wall,
                    "floor_cpu_s": times["floor"].cpu,
                    "wall_s": times["flopcalc"].wall,
                    "cpu_s": times["flopcalc"].cpu,
                    "ratio": times["flopcalc"].cpu / times["floor"].cpu,
                }
            )
    return found
