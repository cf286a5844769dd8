"""How a figure of ours is computed: a command that runs as it stands, or words that are none."""

import os
import re

from flopcalc.cost import convention
from flopcalc.published.tables import Ours
from flopcalc.replacing.clause import names
from flopcalc.spec.operator import show

_FLAGS = {
    "c_in": "--cin",
    "c_out": "--cout",
    "k": "-k",
    "hw": "--hw",
    "stride": "--stride",
    "padding": "--padding",
    "dilation": "--dilation",
    "groups": "--groups",
    "n": "--batch",
}

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


def how(ours: Ours, gives: str) -> str:
    """`params of flopcalc model resnet50`: an expression over the numbers that the command prints.

    plain_params and plain_macs are those of its baseline. Where only some kernels count no command shows it: words.
    """
    if not names(gives) or not (ours.network or ours.operator):
        return gives
    if ours.only or ours.leaves_out:
        return f"{formula(ours, gives)}; of {_words(ours)}"
    return f"{_whole(gives)} of {_command(ours, gives)}"


def formula(ours: Ours, gives: str) -> str:
    """The expression, and which kernels it is over."""
    text = [_whole(gives) if not ours.only else gives]
    chosen = [name for name in sorted(names(gives), key=gives.index) if not name.startswith(("all_", "plain_"))]
    text += [f"{', '.join(chosen)} only of kernels with {ours.only}"] if ours.only and chosen else []
    text += [f"without kernels with {ours.leaves_out}"] if ours.leaves_out else []
    return ", ".join(text)


def _whole(gives: str) -> str:
    """Where all kernels are chosen, the number of all is the number."""
    return re.sub(r"\ball_", "", gives)


def _command(ours: Ours, gives: str) -> str:
    words = ["flopcalc"]
    if ours.network:
        words += ["model", _quoted(_path(ours.network)), *_settings(ours)]
        words += [f"--input {_sizes(ours.input)}"] if ours.input else []
        words += [f"--replace {_quoted(_path(text))}" for text in ours.replace]
        words += [f"--where {_quoted(ours.where)}"] if ours.where else []
        words += [f"--keep {_quoted(text)}" for text in ours.keep]
    else:
        words += ["layer", f"--type {ours.operator}"]
        words += [f"{_FLAGS[name]} {_sizes(value)}" for name, value in ours.shape]
        words += _settings(ours)
    used = [name.replace("_", "-") for name in sorted(names(gives), key=gives.index)]
    words += [f"--convention {name}" for name in used if name in convention.CONVENTIONS and name != "macs"][:1]
    return " ".join(words)


def _words(ours: Ours) -> str:
    options = ", ".join(f"{name} = {show(value)}" for name, value in (*ours.options, *ours.shape))
    words = [f"the {'network' if ours.network else 'operator'} {_path(ours.network or ours.operator)}"]
    words += [f"with {options}"] if options else []
    words += [f"at {_sizes(ours.input)}"] if ours.input else []
    words += [f"its layers replaced by {' and '.join(map(_path, ours.replace))}"] if ours.replace else []
    words += [f"where {ours.where}"] if ours.where else []
    words += [f"but for {' and '.join(ours.keep)}"] if ours.keep else []
    return ", ".join(words)


def _path(text: str) -> str:
    """A path as seen from here, where what it names is below; so that the command runs here."""
    if not os.path.isabs(text):
        return text
    near = os.path.relpath(text)
    return text if near.startswith(os.pardir) else near


def _sizes(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _settings(ours: Ours) -> list[str]:
    return [f"--set {_quoted(f'{name}={show(value)}')}" for name, value in ours.options]


def _quoted(text: str) -> str:
    """For a shell, in the quotes that leave the text as it is."""
    if _PLAIN.fullmatch(text):
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + re.sub(r'([$`"\\])', r"\\\1", text) + '"'
