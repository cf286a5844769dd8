"""Measure the CPU time of a whole `flopcalc model` process for Python models, as a ratio. No test depends on it.

The peer is a process that imports torch and the packages of the model, and builds the model on the meta device. Models
of torchvision, timm and transformers are left out where the package is not installed.
"""

import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROUNDS = 7


class Job(NamedTuple):
    """A target with its input. package: what it needs. builds: Python code that builds the same model."""

    package: str
    target: str
    input: str
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
HUB = f"{DECLARE}import torchvision; m = torchvision.models.resnet50()"
TIMM = f"{DECLARE}import timm; m = timm.create_model('vit_base_patch16_224')"
LLAMA = f"{DECLARE}from transformers import LlamaConfig, LlamaForCausalLM; m = LlamaForCausalLM(LlamaConfig())"
JOBS = (
    Job("torch", "{folder}/net.py:net", "3x32x32", "from torch import nn; m = nn.Conv2d(3, 8, 3)"),
    Job("torchvision", "torchvision:resnet50", "3x224x224", HUB),
    Job("timm", "timm:vit_base_patch16_224", "3x224x224", TIMM),
    Job("transformers", "hf:LlamaForCausalLM", "128:int64", LLAMA),
)


def cpu(source: str) -> float:
    """The CPU seconds of a fresh process that runs Python code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", source], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def ratios() -> None:
    """Print the seconds of both processes, and their ratio. They take turns; the minimum has the least noise."""
    print("Start-up for a Python model, CPU time of a fresh process")
    print(f"  {'target':28} {'build only':>12} {'flopcalc':>12} {'ratio':>7}")
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "net.py"), "w", encoding="utf-8") as file:
            file.write(FILE)
        for job in JOBS:
            if importlib.util.find_spec(job.package) is None:
                print(f"  {job.target:28} {job.package} is not installed")
                continue
            words = ["flopcalc", "model", job.target.format(folder=folder), "--input", job.input]
            ours = f"import sys; sys.argv = {words!r}; from flopcalc.__main__ import run; run()"
            body = job.builds.removesuffix("\n")
            build, _, last = body.rpartition("; m = ")
            theirs = f"import torch\n{build}\nwith torch.device('meta'):\n    m = {last}"
            best = [float("inf"), float("inf")]
            for _ in range(ROUNDS):
                for place, source in enumerate((theirs, ours)):
                    best[place] = min(best[place], cpu(source))
            name = job.target.removeprefix("{folder}/")
            print(f"  {name:28} {best[0]:10.2f} s {best[1]:10.2f} s {best[1] / best[0]:6.2f} x")


if __name__ == "__main__":
    ratios()
