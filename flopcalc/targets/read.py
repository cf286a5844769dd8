"""What a network is wherever one is named, and reading it: on the command line, in a file of limits, in a test.

A name that `flopcalc list` shows, the path of a YAML description, or Python that the user names:
`package.module:factory`, `file.py:factory`, `torchvision:NAME`, `timm:NAME`. Only the last loads torch.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from importlib import import_module
from typing import Any, NamedTuple

from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks import library
from flopcalc.networks.inputs import Input, one_shape, parse_input
from flopcalc.networks.network import Network
from flopcalc.replacing.decide import Plan, plan
from flopcalc.replacing.described import Replacement, replace_layers

_PYTHON = re.compile(r"(?:.*\.py|[^\W\d]\w*(?:\.[^\W\d]\w*)*):[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")


class Target(NamedTuple):
    """A network as it is, and with layers replaced where that was asked for."""

    plain: Network
    replacement: Replacement | None

    @property
    def network(self) -> Network:
        """The network that is asked about."""
        return self.replacement.network if self.replacement else self.plain


def read_target(
    name: str,
    *,
    settings: tuple[str, ...] = (),
    input_texts: tuple[str, ...] = (),
    batch: int | None = None,
    replace_texts: tuple[str, ...] = (),
    where: str | None = None,
    keep: tuple[str, ...] = (),
) -> Target:
    """The network that a name and the target options stand for. Raises FlopcalcError."""
    plan = read_plan(replace_texts, where, keep)
    given = read_settings(settings)
    inputs = [parse_input(text) for text in input_texts]
    batch = 1 if batch is None else batch
    if is_python(name):
        _check_inputs(name, inputs)
        values = {key: plain_value(text) for key, text in given.items()}
        # Imports torch, or says that it is missing.
        return Target(*import_module("flopcalc.pytorch.target").read_target(name, values, inputs, batch, plan))
    plain = library.load(name, dict(given), one_shape(inputs), batch)
    return Target(plain, replace_layers(plain, plan) if plan else None)


def is_python(name: str) -> bool:
    """Whether a name stands for Python. Raises FlopcalcError for what is nearly one."""
    if _PYTHON.fullmatch(name):
        return True
    path = name.removesuffix(":")
    if path.endswith(".py"):
        from flopcalc.targets.defined_names import defined_names

        found = defined_names(path)
        shown = f"it defines {', '.join(found[:8])}: " if found else ""
        example = found[0] if found else "NAME"
        raise FlopcalcError(
            "bad-usage", f"{clip(name)} does not say what in the file is the model", f"{shown}write {path}:{example}"
        )
    if _DOTTED.fullmatch(name) and not name.endswith((".yaml", ".yml")):
        module, _, attribute = name.rpartition(".")
        raise FlopcalcError(
            "unknown-network", f"unknown network {clip(name)}", f"a Python model is written {module}:{attribute}"
        )
    return False


def _check_inputs(name: str, inputs: list[Input]) -> None:
    if not inputs:
        raise FlopcalcError(
            "missing-input",
            f"{clip(name)} does not say what it takes: the shape of its input is missing",
            "give --input 3x224x224, without the batch; --input 77:int64 for token ids; one --input for each input",
        )
    names = [one.name for one in inputs if one.name is not None]
    for one in names:
        if names.count(one) > 1:
            raise FlopcalcError("bad-option", f"--input {one}= is given twice", "give each keyword once")


def read_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """`name=value` texts as a mapping. Raises FlopcalcError (bad-option)."""
    given: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip() or name.strip() in given:
            why = "is given twice" if equals and name.strip() else "is not of the form name=value"
            raise FlopcalcError("bad-option", f"--set {clip(setting)} {why}", "write for example --set classes=10")
        given[name.strip()] = value.strip()
    return given


_NUMBER = re.compile(r"[+-]?([0-9]{1,50}\.?[0-9]{0,50}|\.[0-9]{1,50})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}


def plain_value(text: str) -> Any:
    """What a keyword's text stands for: a whole number, a number (0.5, 1/4), true, false, none; else the text."""
    if re.fullmatch(r"[+-]?[0-9]{1,100}", text, re.ASCII):
        return int(text)
    if re.fullmatch(
        r"[+-]?([0-9]{1,50}\.?[0-9]{0,50}|\.[0-9]{1,50})(e[+-]?[0-9]{1,3})?", text, re.ASCII | re.IGNORECASE
    ):
        return float(text)
    if re.fullmatch(r"[+-]?[0-9]{1,50}/0*[1-9][0-9]{0,50}", text, re.ASCII):
        return float(Fraction(text))
    return _WORDS.get(text.lower(), text)


def read_plan(texts: tuple[str, ...], where: str | None, keep: tuple[str, ...]) -> Plan | None:
    """What the replace options ask for; None where nothing is to be replaced."""
    if texts:
        return plan(texts, where, keep)
    if where is not None or keep:
        given = "--where" if where is not None else "--keep"
        raise FlopcalcError(
            "bad-usage",
            f"{given} is given, and --replace is missing",
            "write for example --replace spconv --where 'k == 3'",
        )
    return None
