"""The target of a call in Python that takes networks and operators: `flopcalc.roofline`, `bench` and `solve`."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

from flopcalc.cost.result import Result
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, as_name, clip
from flopcalc.targets.kind import kind_of
from flopcalc.targets.spec import TargetSpec, from_python, read_timeout

# Sizes of an operator, as the command line and as Python name them.
SIZES = {
    "cin": "c_in",
    "c_in": "c_in",
    "cout": "c_out",
    "c_out": "c_out",
    "k": "k",
    "hw": "hw",
    "h": "h",
    "w": "w",
    "stride": "stride",
    "padding": "padding",
    "dilation": "dilation",
    "groups": "groups",
    "batch": "batch",
}


def from_call(
    what: Any, options: Mapping[str, Any], *, batch: Any, timeout: float | None, **of_networks: Any
) -> TargetSpec:
    """The target that the arguments of a call name. Raises FlopcalcError.

    options: those of the target, and for an operator its sizes too. of_networks: the arguments of `from_python`.
    """
    number = as_int(batch)
    if number is None or number < 1:
        raise FlopcalcError("bad-dimension", f"batch is {clip(batch)}, not a whole number, 1 or more", "write batch=32")
    name = what if not isinstance(what, str | PathLike) else as_name(what, "network or operator")
    if not isinstance(name, str) or kind_of(name) == "network":
        inputs = of_networks.pop("input", None)
        spec = from_python(name, inputs, batch=number, set=options, **of_networks)
        return spec if timeout is None else spec._replace(timeout=read_timeout(timeout))
    refuse(of_networks, f"is for networks, and {name} is not one")
    sizes: dict[str, Any] = {}
    for key, value in options.items():
        size = SIZES.get(key)
        if size in sizes:
            raise FlopcalcError("bad-usage", f"{size} is given twice", f"leave out {key}")
        if size is not None and value is not None:
            sizes[size] = value
    if number != 1:
        sizes["batch"] = number
    return TargetSpec("operator", name, {key: options[key] for key in options if key not in SIZES}, shape=sizes)


def refuse(given: Mapping[str, Any], why: str, instead: str = "") -> None:
    """Raise FlopcalcError (bad-usage) for the first argument that was given, since it would have no effect.

    why: the reason, after the name of the argument. instead: what to do besides leaving it out.
    """
    for name, value in given.items():
        if value is not None and not (isinstance(value, str | tuple | list | Mapping) and not value):
            raise FlopcalcError("bad-usage", f"{name} {why}", f"leave out {name}{instead}")


def refuse_on_result(result: Result, batch: Any, given: Mapping[str, Any]) -> None:
    """As `refuse`, for a network or a layer that was computed: its shape and its options are fixed."""
    changed = None if isinstance(batch, int) and batch == 1 else batch
    refuse({**given, "batch": changed}, f"has no effect on {clip(result)}", ", or give the name instead of the result")
