"""Measure counting, as ratios to FlopCounterMode on the meta device in the same process. No test depends on it.

    python benchmarks/counting.py [networks] [llama] [depth]

networks: four networks of torchvision, the structural copy included; the targets are 10 (MobileNetV2, ViT-B/16) and
8 (ResNet-50, Swin-T). llama: LLaMA with 70 billion parameters, from its configuration, one forward of 128 tokens.
depth: modules of 1,000 to 10,000 layers, which must take time in proportion.
"""

import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from flopcalc.pytorch import count
from flopcalc.pytorch.loading import torchvision_operators

ROUNDS = 15
NETWORKS = {"mobilenet_v2": 10, "vit_b_16": 10, "resnet50": 8, "swin_t": 8}


def best_of(jobs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The minimum of the CPU seconds of each job. Jobs take turns, so that a slow moment affects all of them.

    A turn is three calls: the first one after another job finds the caches of the processor full of that job's data.
    """
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(rounds):
        for name, job in jobs.items():
            for _ in range(3):
                start = time.process_time()
                job()
                best[name] = min(best[name], time.process_time() - start)
    return best


def networks() -> None:
    """Compare with the peer on four networks."""
    torchvision_operators.declare()
    import torchvision

    for name, target in NETWORKS.items():
        with torch.device("meta"):
            module = torchvision.models.get_model(name, weights=None).eval()
        x = torch.empty(1, 3, 224, 224, device="meta")

        def peer(module: nn.Module = module, x: torch.Tensor = x) -> int:
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                module(x)
            return int(counter.get_total_flops())

        def ours(module: nn.Module = module) -> int:
            return count(module, (1, 3, 224, 224)).macs

        if peer() != 2 * ours():
            raise SystemExit(f"{name}: the two count differently")
        best = best_of({"peer": peer, "ours": ours}, ROUNDS)
        ratio = best["peer"] / best["ours"]
        print(
            f"{name:14} {best['ours'] * 1e3:7.1f} ms, FlopCounterMode {best['peer'] * 1e3:7.1f} ms: "
            f"{ratio:5.1f} times faster (target {target})"
        )


def llama() -> None:
    """LLaMA with 70 billion parameters."""
    torchvision_operators.declare()
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        vocab_size=32000,
    )
    start = time.process_time()
    with torch.device("meta"):
        module = LlamaForCausalLM(config)
    built = time.process_time()
    found = count(module, input_ids=torch.empty((1, 128), dtype=torch.long, device="meta"))
    once = time.process_time()
    print(
        f"LLaMA {found.params / 1e9:.1f} G parameters, {found.macs / 1e12:.2f} T MACs: built in {built - start:.1f} s, "
        f"counted in {once - built:.2f} s"
    )


def depth() -> None:
    """Modules of ever more layers."""
    for layers in (1_000, 3_000, 10_000):
        module = nn.Sequential(*(nn.Linear(8, 8, device="meta") for _ in range(layers)))
        start = time.process_time()
        count(module, (1, 8))
        taken = time.process_time() - start
        print(f"{layers:6,} layers: {taken * 1e3:7.1f} ms, {taken / layers * 1e6:5.1f} us for each")


PARTS = {"networks": networks, "llama": llama, "depth": depth}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
