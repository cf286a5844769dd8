"""The profiles of the networks that rows name. Those of Python models come from a file, so that torch is not needed.

configs/published/pairs/counts.txt has a line for each Python model and input that a row names. `flopcalc reproduce
--recount` compares it with fresh counts, and with --update writes it.
"""

import dataclasses
import os
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from flopcalc.analysis.profile import Profile
from flopcalc.analysis.ways import PARAMS_WAYS, WAYS, measure
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.errors import FlopcalcError, clip
from flopcalc.presets.registry import RULES
from flopcalc.published import pairs
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import TargetSpec
from flopcalc.text.atomic_file import write_atomically
from flopcalc.text.input_file import decode, read_bytes

FILE = "counts.txt"
# Kept for every network, whatever the shipped sources use, so that other rows can be compared too.
_ALWAYS = (
    *("params", "macs", "own_params", "conv_macs", "conv_biases", "conv_out", "conv_params", "conv_adds"),
    *("linear_macs", "linear_adds", "linear_params", "linear_out", "matmul_macs"),
    *("norm_params", "norm_adds", "norm_muls", "layernorm_params", "layernorm_adds", "layernorm_muls"),
    *("act_other", "relu_other", "softmax_other", "add_adds", "mul_muls"),
    *("maxpool_reads", "maxpool_writes", "avgpool_reads", "avgpool_writes", "gap_reads", "gap_writes"),
    *("head_params", "head_macs", "head_adds", "conv_weights_per_group", "conv_macs_per_group"),
    *("depthwise_macs", "depthwise_adds", "upsample_out", "relu6_other", "other_adds", "functional_macs"),
)


class Difference(NamedTuple):
    """A number of the file that is not that of a fresh count. kept, counted: None where there is none."""

    network: str
    number: str
    kept: int | None
    counted: int | None


def shown_target(spec: TargetSpec) -> str:
    """A network with its input and options as one text: `timm:vit_base_patch16_224 3x384x384 img_size=384`."""
    options = [f"{name}={value}" for name, value in spec.settings.items()]
    return " ".join([str(spec.what), *map(str, spec.inputs), *options])


def sums_of(spec: TargetSpec, part: str = "") -> Profile:
    """The profile of a network: from the file for a Python model that it has, otherwise counted now.

    Raises FlopcalcError: missing-package where a Python model that the file does not have cannot be counted.
    """
    if part:
        return _counted_part(spec, part)
    kept = kept_profiles().get(shown_target(spec)) if pairs.is_python_name(spec.what) else None
    return kept or _counted(spec)


@lru_cache(maxsize=512)
def _counted_part(spec: TargetSpec, part: str) -> Profile:
    """The profile of the layers of a network whose names match a pattern."""
    network = read_target(spec).plain
    layers = tuple(layer for layer in network.layers if re.fullmatch(part, layer.name))
    return measure(dataclasses.replace(network, layers=layers))


@lru_cache(maxsize=512)
def _counted(spec: TargetSpec) -> Profile:
    network = read_target(spec).plain
    return measure(network, _presets()) if pairs.is_python_name(spec.what) else measure(network)


@lru_cache(maxsize=1)
def _presets() -> tuple[str, ...]:
    """The conventions of flopcalc that are kept of Python models: those that the shipped sources name.

    Without those of other counters with rules for calls: these take long to count. A rule for a Python model that needs
    one defines it in `counting`.
    """
    return tuple(name for name in columns(map(pairs.load, pairs.names())) if name in CONVENTIONS and name not in RULES)


def columns(sources: Iterable[pairs.Source]) -> tuple[str, ...]:
    """The sums that the file keeps: those of any use, and those that a way of a source needs."""
    needed = dict.fromkeys(_ALWAYS)
    found = [*WAYS.values(), *PARAMS_WAYS.values()]
    for source in sources:
        for ways in (*(ways for _, ways in source.usual), *(rule.ways for rule in source.networks)):
            found += [way for some in ways.values() for way in some]
    for way in found:
        needed.update(dict.fromkeys(sorted(name for name in way.needs if name not in RULES)))
    return tuple(needed)


def named_models(sources: Iterable[pairs.Source]) -> list[TargetSpec]:
    """The Python models that rows name, each once, in order."""
    found: dict[str, TargetSpec] = {}
    for source in sources:
        for row in source.rows:
            named = pairs.named(source, row)
            for spec in named.candidates if named else ():
                if pairs.is_python_name(spec.what):
                    found.setdefault(shown_target(spec), spec)
    return [found[name] for name in sorted(found)]


def counts_text(models: Sequence[TargetSpec], kept: Sequence[str]) -> str:
    """The text of the file: a heading, and a line for each model. A sum of 0 is left empty."""
    lines = ["# Written by `flopcalc reproduce --recount --update`; do not edit.", "\t".join(("network", *kept))]
    for spec in models:
        sums = _counted(spec).sums
        values = [str(sums.get(name) or "") for name in kept]
        lines.append("\t".join((shown_target(spec), *values)).rstrip("\t"))
    return "\n".join(lines) + "\n"


def recount(sources: Iterable[pairs.Source], *, update: bool = False) -> dict[str, Any]:
    """Fresh counts of the Python models that the rows of sources name, compared with the file or written to it.

    Raises FlopcalcError: missing-package without torch, or without the package of a model.
    """
    some, every = tuple(sources), tuple(map(pairs.load, pairs.names()))
    models, kept = named_models(some), columns(every)
    if update:
        write(models, kept)
    found = [] if update else differences(models, kept, len(some) == len(every))
    return {
        "schema": "flopcalc/recount/1",
        "networks": len(models),
        "written": update,
        "differences": [one._asdict() for one in found],
    }


def write(models: Sequence[TargetSpec], kept: Sequence[str]) -> str:
    """Write the file, and return its path."""
    path = os.path.join(pairs.folder(), FILE)
    write_atomically(path, counts_text(models, kept))
    kept_profiles.cache_clear()
    return path


def differences(models: Sequence[TargetSpec], kept: Sequence[str], every: bool = True) -> list[Difference]:
    """Where the file is not what fresh counts give. every: these are all the models that the file may have."""
    found = []
    file = kept_profiles()
    for spec in models:
        name = shown_target(spec)
        if name not in file:
            found.append(Difference(name, "all", None, None))
            continue
        sums = _counted(spec).sums
        for one in kept:
            old = file[name].sums.get(one, 0) if one in file[name].kept else None
            if old != sums.get(one, 0):
                found.append(Difference(name, one, old, sums.get(one, 0)))
    known = {shown_target(spec) for spec in models}
    return found + [Difference(name, "all", 0, None) for name in file if every and name not in known]


@lru_cache(maxsize=1)
def kept_profiles() -> dict[str, Profile]:
    """The profiles of the file; empty if there is no such file."""
    path = os.path.join(pairs.folder(), FILE)
    if not os.path.isfile(path):
        return {}
    again = "write it again: flopcalc reproduce --recount --update"
    try:
        text = decode(read_bytes(path, "file of counts"))
    except ValueError as error:
        raise FlopcalcError("bad-table", f"{path}: {error}", again) from None
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    heading = tuple(lines[0].split("\t"))[1:] if lines else ()
    found = {}
    for line in lines[1:]:
        name, *values = line.split("\t")
        try:
            sums = {one: int(value) for one, value in zip(heading, values, strict=False) if value}
        except ValueError:
            why = f"{path}: the line of {clip(name)} has a value that is not a number"
            raise FlopcalcError("bad-table", why, again) from None
        found[name] = Profile(sums, kept=frozenset(heading))
    return found
