"""What is trained and what is computed twice: the options of the training cost."""

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from flopcalc.cost.hierarchy import paths
from flopcalc.errors import FlopcalcError, clip, unknown_name


class StepMemory(NamedTuple):
    """What a training step needs memory for besides its tensors, as `flopcalc memory` has it; None: its defaults."""

    optimizer: str | None = None
    optimizer_dtype: str | None = None
    autocast: str | None = None
    accumulate: int | None = None


class TrainingOptions(NamedTuple):
    """How a network is trained. freeze, checkpoint: patterns of names of layers, or of modules with all below them.

    freeze: layers whose parameters get no gradient. checkpoint: layers whose forward pass is run again in the backward
    pass. fused: attention runs as one kernel that keeps no scores, and computes them again in the backward pass.
    memory: what the peak of memory depends on, and the cost does not.
    """

    freeze: tuple[str, ...] = ()
    checkpoint: tuple[str, ...] = ()
    fused: bool = False
    memory: StepMemory = StepMemory()


MODES = ("inference", "training")
# The name of the model itself.
ROOT = "(model)"


def read_training(
    mode: str, freeze: tuple[str, ...] = (), checkpoint: tuple[str, ...] = (), fused: bool = False
) -> TrainingOptions | None:
    """How a network is trained; None for inference. Raises FlopcalcError (bad-usage)."""
    if not isinstance(mode, str) or mode not in MODES:
        raise FlopcalcError("bad-usage", f"--mode is {clip(mode)}", f"one of: {', '.join(MODES)}")
    if mode == "training":
        return TrainingOptions(freeze, checkpoint, fused)
    for flag, value in (("--freeze", freeze), ("--checkpoint", checkpoint), ("--fused", fused)):
        if value:
            raise FlopcalcError("bad-usage", f"{flag} applies to training only", "add --mode training")
    return None


def _around(name: str) -> list[str]:
    """The modules around a layer, and the layer; the number of a call (`relu#2`) does not belong to the name."""
    return paths(name.partition("#")[0])


def matched(name: str, patterns: Iterable[str]) -> str:
    """The outermost module at or above a layer that one of the patterns matches; empty if none does."""
    return next((path for path in _around(name) if any(_fits(path, pattern) for pattern in patterns)), "")


def _fits(path: str, pattern: str) -> bool:
    return path == pattern or fnmatchcase(path, pattern)


def check_patterns(flag: str, patterns: Iterable[str], names: Collection[str]) -> None:
    """Raise FlopcalcError (unknown-layer) for a pattern that matches no name. flag: the option, such as --freeze."""
    every = dict.fromkeys(path for name in names for path in _around(name))
    for pattern in patterns:
        if not any(_fits(path, pattern) for path in every):
            hint = (
                f"{flag} takes a layer (`layer1.0.conv2`), a module with all below it (`layer1`), "
                "or a pattern (`layer*.conv1`)"
            )
            raise unknown_name("layer", pattern, every, hint)
