"""The keys of a target that say how it is trained: of its cost, of its time and of its peak of memory."""

from collections.abc import Callable, Mapping
from typing import Any

from flopcalc.analysis.memory.question import question
from flopcalc.budget.flags import as_keys
from flopcalc.errors import FlopcalcError
from flopcalc.networks.training import StepMemory, TrainingOptions, read_training
from flopcalc.text.yaml_file import File

_OF_COST = ("mode", "freeze", "checkpoint")
_OF_MEMORY = ("optimizer", "optimizer_dtype", "autocast", "accumulate")
KEYS = (*_OF_COST, *_OF_MEMORY)
TEXTS = ("mode", "optimizer", "optimizer_dtype", "autocast")
EXAMPLES = {
    "mode": "for example mode: training",
    "freeze": "for example freeze: [conv1, layer1]",
    "checkpoint": "for example checkpoint: layer*",
    "optimizer": "for example optimizer: adamw",
    "optimizer_dtype": "for example optimizer_dtype: float32",
    "autocast": "for example autocast: bfloat16",
}


def read_step(
    file: File, spec: Mapping[str, Any], plain: Callable[[Mapping[str, Any], str], Any]
) -> TrainingOptions | None:
    """How a target is trained; None for inference. plain: the value of a key, checked. Raises FlopcalcError."""
    how = {key: plain(spec, key) for key in KEYS if key in spec}
    try:
        found = read_training(how.get("mode", "inference"), how.get("freeze", ()), how.get("checkpoint", ()))
        of_memory = {key: how[key] for key in _OF_MEMORY if key in how}
        # It knows which of them make sense, alone and together.
        question(mode=how.get("mode", "inference"), **of_memory)
    except FlopcalcError as error:
        key = next((key for key in how if _names(error.message, key)), None)
        raise file.error(spec, key, as_keys(error.message), as_keys(error.hint)) from None
    return found and found._replace(memory=StepMemory(**of_memory))


def _names(message: str, key: str) -> bool:
    return f"--{key.replace('_', '-')} " in message or f"{key} " in message
