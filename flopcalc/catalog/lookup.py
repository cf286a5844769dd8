"""Operators as users write them: a name or the path of a YAML file, each with or without options."""

from collections.abc import Iterator, Sequence

from flopcalc.catalog.registry import named, names, plug_ins, usable, usable_plug_ins
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.spec.operator import Operator, Value
from flopcalc.text import shipped_files

__all__ = ["every", "find", "get", "names", "parse", "plug_ins", "read_settings", "usable", "usable_plug_ins"]


def find(name: str) -> Operator | None:
    """The operator of that name in flopcalc, in a plug-in, or in a YAML file; None where there is none."""
    if name.endswith((".yaml", ".yml")):
        # Loads the YAML parser, which most commands do not need.
        from flopcalc.catalog.yaml_operator import read_operator

        return read_operator(shipped_files.found(name))
    return named(name)


def get(name: str) -> Operator:
    """The operator of that name. Raises FlopcalcError (unknown-operator), with the nearest names."""
    found = find(name)
    if found is None:
        how = "`flopcalc list` shows all operators"
        if name in shipped_files.names("networks"):
            how = f"{name} is a network: see flopcalc model, in Python flopcalc.network; {how}"
        raise unknown_name("operator", name, [*names(), *plug_ins()], how)
    return found


def every() -> Iterator[Operator]:
    """The operators in flopcalc, sorted by name. Raises FlopcalcError where one cannot be used."""
    return (get(name) for name in names())


def parse(text: str, settings: Sequence[str] = ()) -> tuple[Operator, dict[str, Value]]:
    """`spconv:alpha=1/4,groups_k=2` -> the operator and the options given.

    A piece without `=` belongs to the value before it, so that lists can be written `dims=4,6`. settings: further
    `name=value` texts, as `--set` gives them; an option that is given in both places is an error.
    """
    name, _, behind = text.partition(":")
    operator = get(name.strip())
    return operator, read_settings(operator, [*_joined(behind.split(",") if behind.strip() else []), *settings])


def _joined(pieces: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for piece in pieces:
        if "=" not in piece and joined:
            joined[-1] += f",{piece}"
        else:
            joined.append(piece)
    return joined


def read_settings(operator: Operator, settings: Sequence[str]) -> dict[str, Value]:
    """Checked options from `name=value` texts. Raises FlopcalcError for anything else."""
    given: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        name = name.strip()
        if not equals or not name:
            raise FlopcalcError(
                "bad-option", f"{clip(setting.strip())} is not of the form name=value", "write for example norm=true"
            )
        if name in given:
            why = f"option {name if len(name) < 60 else clip(name)} is given twice"
            raise FlopcalcError("bad-option", why, "give each option once")
        given[name] = value
    resolved = operator.resolve(given)
    return {name: resolved[name] for name in given}
