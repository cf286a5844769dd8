"""Compare the two witnesses of a count, the tracer and the dispatch mode, on many modules.

    python benchmarks/witnesses.py torchvision|timm|transformers [START:STOP]

Everything that both count is compared: the work of each module by kind, kernels, steps, layers with their inputs and
shapes, unused parameters, what is uncounted. It prints each difference, and exits with 1 if there is any.
"""

import dataclasses
import gc
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from flopcalc import FlopcalcError
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.record import Count
from flopcalc.pytorch.loading import torchvision_operators

Case = tuple[str, Callable[[], tuple[nn.Module, tuple[Any, ...], dict[str, Any]]]]

# A model type, and its inputs by name.
TOKENS = {"input_ids": (1, 12)}
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "bert": TOKENS,
    "roberta": TOKENS,
    "albert": TOKENS,
    "distilbert": TOKENS,
    "electra": TOKENS,
    "deberta": TOKENS,
    "deberta-v2": TOKENS,
    "mpnet": TOKENS,
    "gpt2": TOKENS,
    "gpt_neo": TOKENS,
    "gpt_neox": TOKENS,
    "gptj": TOKENS,
    "opt": TOKENS,
    "bloom": TOKENS,
    "llama": TOKENS,
    "mistral": TOKENS,
    "qwen2": TOKENS,
    "gemma": TOKENS,
    "phi": TOKENS,
    "falcon": TOKENS,
    "mamba": TOKENS,
    "t5": {"input_ids": (1, 12), "decoder_input_ids": (1, 5)},
    "bart": {"input_ids": (1, 12), "decoder_input_ids": (1, 5)},
    "vit": {"pixel_values": (1, 3, 224, 224)},
    "deit": {"pixel_values": (1, 3, 224, 224)},
    "beit": {"pixel_values": (1, 3, 224, 224)},
    "dinov2": {"pixel_values": (1, 3, 224, 224)},
    "convnext": {"pixel_values": (1, 3, 224, 224)},
    "segformer": {"pixel_values": (1, 3, 224, 224)},
    "swin": {"pixel_values": (1, 3, 224, 224)},
    "resnet": {"pixel_values": (1, 3, 224, 224)},
    "wav2vec2": {"input_values": (1, 16000)},
}


def from_torchvision() -> Iterator[Case]:
    """All classifiers, segmentation and video networks, and the backbones of detectors."""
    torchvision_operators.declare()
    import torchvision

    for name in torchvision.models.list_models():
        yield name, partial(_torchvision, torchvision.models, name)


def _torchvision(models: Any, name: str) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    # Detectors and segmentation networks would otherwise fetch the weights of their backbone.
    taken = inspect.signature(models.get_model_builder(name)).parameters
    module = models.get_model(name, weights=None, **({"weights_backbone": None} if "weights_backbone" in taken else {}))
    module.eval()
    video = ("r3d", "mc3", "r2plus1d", "s3d", "mvit", "swin3d")
    if name.startswith("raft"):
        return module, ((1, 3, 128, 128), (1, 3, 128, 128)), {"num_flow_updates": 2}
    if name.startswith(video):
        return module, ((1, 3, 16, 224, 224),), {}
    size = 299 if name == "inception_v3" else 224
    if hasattr(module, "backbone") and hasattr(module, "transform"):
        return module.backbone, ((1, 3, 320, 320),), {}
    return module, ((1, 3, size, size),), {}


def from_timm() -> Iterator[Case]:
    """The first network of each family."""
    torchvision_operators.declare()
    import timm
    from timm.models import list_models, list_modules

    for family in sorted(list_modules()):
        names = list_models(module=family)
        if names:
            yield f"{family}: {names[0]}", partial(_timm, timm, names[0])


def _timm(timm: Any, name: str) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    module = timm.create_model(name, pretrained=False).eval()
    return module, ((1, *module.default_cfg.get("input_size", (3, 224, 224))),), {}


def from_transformers() -> Iterator[Case]:
    """Thirty models of two layers."""
    torchvision_operators.declare()
    for kind, inputs in TRANSFORMERS.items():
        yield kind, partial(_transformers, kind, inputs)


def _transformers(kind: str, inputs: dict[str, Any]) -> tuple[nn.Module, tuple[Any, ...], dict[str, Any]]:
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(kind)
    for field, value in (("num_hidden_layers", 2), ("num_layers", 2), ("n_layer", 2), ("encoder_layers", 2)):
        if isinstance(getattr(config, field, None), int):
            setattr(config, field, value)
    if kind == "gpt_neo":
        config.attention_types = [[["global", "local"], 1]]
        config.attention_layers = ["global", "local"]
    given: dict[str, Any] = {
        name: torch.zeros(shape, dtype=torch.long if "ids" in name else torch.float32) for name, shape in inputs.items()
    }
    module = AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    return module.eval(), (), given


GROUPS = {"torchvision": from_torchvision, "timm": from_timm, "transformers": from_transformers}


def differences(one: Count, other: Count) -> list[str]:
    """The fields in which two counts differ, with both values."""
    found = []
    for field in dataclasses.fields(Count):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "calls":
            a, b = list(map(dataclasses.asdict, a)), list(map(dataclasses.asdict, b))
            pairs = [(x, y) for x, y in zip(a, b, strict=False) if x != y]
            a, b = pairs[0] if pairs else (len(a), len(b))
        elif isinstance(a, dict) and a != b:
            keys = [key for key in {**a, **b} if a.get(key) != b.get(key)][:2]
            a, b = {key: a.get(key) for key in keys}, {key: b.get(key) for key in keys}
        if a != b:
            found.append(f"{field.name}: {_short(a)} / {_short(b)}")
    if list(one.by_work) != list(other.by_work):
        found.append("the order of by_work")
    return found


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 700 else f"{text[:700]}..."


def compare(module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Count | None, list[str]]:
    """What differs between the witnesses on the meta device; a failure is compared by its message."""
    results: list[Any] = []
    for witness in ("trace", "dispatch"):
        try:
            results.append(count_call(module, args, named, on="meta", witness=witness))
        except FlopcalcError as error:
            results.append(error)
    one, other = results
    if isinstance(one, FlopcalcError) or isinstance(other, FlopcalcError):
        return None, [] if str(one) == str(other) else [f"{one!s:.300} / {other!s:.300}"]
    return one, differences(one, other)


def main(group: str, span: str = ":") -> int:
    """Compare one group of modules; the exit code."""
    warnings.simplefilter("ignore")
    start, _, stop = span.partition(":")
    cases = list(GROUPS[group]())[int(start or 0) : int(stop) if stop else None]
    wrong = failed = missing = 0
    for name, build in cases:
        try:
            with torch.device("meta"):
                module, args, named = build()
        except Exception:
            try:
                module, args, named = build()
            except Exception as error:
                missing += 1
                print(f"{name}: cannot be built: {error!s:.100}")
                continue
        result, found = compare(module, args, named)
        wrong += bool(found)
        failed += result is None
        if found or result is None:
            print(f"{name}: {'different' if found else 'both fail'}", *found, sep="\n    ", flush=True)
        del module
        gc.collect()
    print(
        f"{group} {span}: {len(cases) - missing} of {len(cases)} networks built, {wrong} different, "
        f"{failed} not countable on the meta device"
    )
    return 1 if wrong or missing == len(cases) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
