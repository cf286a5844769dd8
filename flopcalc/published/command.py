"""How a figure is computed: a command that can be copied and run, or a description in words."""

import re

from flopcalc.cost import convention
from flopcalc.published.tables import Ours
from flopcalc.replacing.clause import names
from flopcalc.spec.operator import show
from flopcalc.spec.size_names import FLAGS_OF_OPERATORS
from flopcalc.targets.spec import TargetSpec
from flopcalc.text.shipped_files import shown

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def how(ours: Ours, gives: str) -> str:
    """`params of flopcalc model resnet50`: an expression over the numbers in the output of a command.

    plain_params and plain_macs are those of its baseline. No command counts only some of the kernels; such a figure
    is described in words.
    """
    if not names(gives) or ours.target is None:
        return gives
    if ours.only or ours.leaves_out:
        return f"{formula(ours, gives)}; of {_words(ours.target)}"
    return f"{_whole(gives)} of {_command(ours.target, gives)}"


def formula(ours: Ours, gives: str) -> str:
    """The expression, and the kernels that it counts."""
    text = [_whole(gives) if not ours.only else gives]
    chosen = [name for name in sorted(names(gives), key=gives.index) if not name.startswith(("all_", "plain_"))]
    text += [f"{', '.join(chosen)} only of kernels with {ours.only}"] if ours.only and chosen else []
    text += [f"without kernels with {ours.leaves_out}"] if ours.leaves_out else []
    return ", ".join(text)


def _whole(gives: str) -> str:
    """The expression without the prefix `all_`, for figures that count all kernels."""
    return re.sub(r"\ball_", "", gives)


def _command(target: TargetSpec, gives: str) -> str:
    words = ["flopcalc", "model" if target.kind == "network" else "layer --type", _quoted(shown(target.what))]
    words += [f"{FLAGS_OF_OPERATORS[name]} {_sizes(value)}" for name, value in target.shape.items()]
    flags = [f"{flag} {_quoted(shown(value))}" for flag, value in target.flags]
    settings = [word for word in flags if word.startswith("--set ")]
    words += [*settings, *(f"--input {one}" for one in target.inputs), *flags[len(settings) :]]
    used = [name.replace("_", "-") for name in sorted(names(gives), key=gives.index)]
    words += [f"--convention {name}" for name in used if name in convention.CONVENTIONS and name != "macs"][:1]
    return " ".join(words)


def _words(target: TargetSpec) -> str:
    options = ", ".join(f"{name} = {show(value)}" for name, value in (*target.settings.items(), *target.shape.items()))
    words = [f"the {target.kind} {shown(target.what)}"]
    words += [f"with {options}"] if options else []
    words += [f"at {one}" for one in target.inputs]
    if target.plan:
        words.append(f"its layers replaced by {' and '.join(shown(one.command) for one in target.plan.requests)}")
        words += [f"where {target.plan.where}"] if target.plan.where else []
        words += [f"except {' and '.join(target.plan.keep)}"] if target.plan.keep else []
    return ", ".join(words)


def _sizes(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _quoted(text: str) -> str:
    """The text quoted for a shell."""
    if _PLAIN.fullmatch(text):
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + re.sub(r'([$`"\\])', r"\\\1", text) + '"'
