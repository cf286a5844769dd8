"""The options of commands whose target is a network or an operator, and the spec that they name."""

from collections.abc import Callable
from typing import Any

from flopcalc.budget.folder_rules import with_folder_rules
from flopcalc.catalog import lookup
from flopcalc.cli.options import SHAPE_NAMES, default_c_in
from flopcalc.cost.geometry import height_and_width
from flopcalc.errors import FlopcalcError
from flopcalc.targets.kind import kind_of
from flopcalc.targets.spec import Kind, TargetSpec, from_texts, split_settings

# Of a network only, and of an operator only, as the command line writes them.
_OF_NETWORKS = {
    "replace_texts": "--replace",
    "where": "--where",
    "keep": "--keep",
    "input_texts": "--input",
    "argument_texts": "--arg",
    "method": "--method",
    "on": "--on",
}
_OF_OPERATORS = {
    "cin": "--cin",
    "cout": "--cout",
    "k": "-k",
    "hw": "--hw",
    "height": "--h",
    "width": "--w",
    "stride": "--stride",
    "padding": "--padding",
    "dilation": "--dilation",
    "groups": "--groups",
}


def one_batch(command: Callable[..., Any]) -> Callable[..., Any]:
    """Both groups of options have --batch; it is kept once."""
    params = command.__click_params__  # type: ignore[attr-defined]
    named = {param.name: param for param in params}
    params[:] = [param for param in params if named[param.name] is param]
    return command


def check_options(kind: Kind, name: str, options: dict[str, Any]) -> None:
    """Raise FlopcalcError (bad-usage) for an option that the other kind of target has."""
    other = _OF_OPERATORS if kind == "network" else _OF_NETWORKS
    for key, flag in other.items():
        if options[key]:
            has = "operators" if kind == "network" else "networks"
            raise FlopcalcError("bad-usage", f"{flag} is for {has}, and {name} is not one", f"leave out {flag}")


def any_spec(name: str, options: dict[str, Any]) -> TargetSpec:
    """The network or the operator that the options of a command describe. Raises FlopcalcError."""
    kind = kind_of(name)
    check_options(kind, name, options)
    if kind == "network":
        return network_spec(name, options)
    if options["cin"] is None:
        operator, given = lookup.parse(name)
        options["cin"] = default_c_in(operator, {**given, **split_settings(options["settings"])})
    return operator_spec(name, options)


def network_spec(name: str, options: dict[str, Any]) -> TargetSpec:
    """The network that the options of a command describe, without the sizes of an operator."""
    return with_folder_rules(from_texts(name, **{key: value for key, value in options.items() if key not in _SIZES}))


def operator_spec(name: str, options: dict[str, Any]) -> TargetSpec:
    """The operator that the options of a command describe."""
    keys = {"cin": "c_in", "cout": "c_out", "height": "h", "width": "w"}
    sizes = {keys.get(key, key): options[key] for key in SHAPE_NAMES if options[key] is not None}
    hw = height_and_width(*(sizes.pop(name, None) for name in ("hw", "h", "w")), dashes="--")
    if hw is not None:
        sizes["hw"] = hw
    return TargetSpec("operator", name, split_settings(options["settings"]), shape=sizes)


_SIZES = frozenset(SHAPE_NAMES) - {"batch"}
