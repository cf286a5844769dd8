"""Whether a name is that of a network or of an operator."""

from flopcalc.catalog import lookup
from flopcalc.errors import unknown_name
from flopcalc.networks import library
from flopcalc.targets.read import is_python
from flopcalc.targets.spec import Kind
from flopcalc.text import shipped_files
from flopcalc.text.yaml_file import Map, read_file


def kind_of(text: str) -> Kind:
    """`network` or `operator`. text: as in `flopcalc model` or `flopcalc layer`; an operator may have options.

    A YAML file with `layers` or `like` is a network. Raises FlopcalcError (unknown-network-or-operator).
    """
    name = text.partition(":")[0].strip()
    if name.endswith((".yaml", ".yml")):
        data = read_file(shipped_files.found(name))
        return "network" if not isinstance(data, Map) or {"layers", "like"} & set(data) else "operator"
    if text in library.names():
        return "network"
    if lookup.find(name) is not None:
        return "operator"
    if not is_python(text):
        known = [*library.names(), *lookup.names(), *lookup.plug_ins()]
        raise unknown_name("network or operator", name, known, "`flopcalc list` shows all")
    return "network"
