"""`flopcalc list`."""

from typing import Any, TypeAlias

import click

from flopcalc.catalog import lookup
from flopcalc.cli.options import SHAPE_NAMES, optional_shape_options, output_only_options, read_shape
from flopcalc.cli.output import emit, format_of
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.errors import FlopcalcError
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table
from flopcalc.targets.index import operator_row, shipped
from flopcalc.text import shipped_files

Block: TypeAlias = Table | Facts | Lines
Rows: TypeAlias = list[dict[str, Any]]

_EXAMPLE = "write for example flopcalc list --matching --cin 64"


@click.command("list", epilog="Example: flopcalc list --matching --cin 64 --cout 128 --stride 2")
@click.argument("what", required=False, type=click.Choice(("operators", "networks", "conventions", "devices")))
@click.option(
    "--matching", is_flag=True, help="Show the operators that can replace the convolution of the shape options."
)
@optional_shape_options
@output_only_options
def command(what: str | None, matching: bool, fmt: str | None, output: str | None, **shape: Any) -> None:
    """The operators, networks, conventions and devices that flopcalc has.

    With `operators`, `networks`, `conventions` or `devices`: only those; of devices also the peaks. With
    --matching and a shape: the operators that can replace that convolution with their default options, the
    least work first, and the reason why each of the others cannot.
    """
    if matching:
        emit(_matching(what, shape), fmt, output)
        return
    if any(size is not None for size in shape.values()):
        raise FlopcalcError(
            "bad-usage", "a shape is given without --matching", "write flopcalc list --matching --cin 64"
        )
    # CSV holds one table.
    is_flat = format_of(fmt, output) == "csv"
    data, problems = _rows(what, titles=is_flat or what == "devices")
    blocks: list[Block] = [_flat(data)] if is_flat else _blocks(data)
    if problems:
        blocks.append(Lines("Notes", problems))
    title = f"{(what or 'operators, networks, conventions and devices').capitalize()} of flopcalc"
    emit(Document(title, blocks, {"schema": "flopcalc/list/1", **data, "notes": problems}), fmt, output)


def _matching(what: str | None, shape: dict[str, Any]) -> Document:
    if what not in (None, "operators"):
        raise FlopcalcError("bad-usage", f"--matching is about operators, not {what}", _EXAMPLE)
    if shape["cin"] is None:
        raise FlopcalcError("bad-usage", "--matching needs a shape", _EXAMPLE)
    plain, _ = read_shape(lookup.get("conv"), {name: shape[name] for name in SHAPE_NAMES}, {})
    # Loads all operators, which a plain listing does not.
    from flopcalc.cli.matching import matching_document

    return matching_document(plain)


def _rows(what: str | None, *, titles: bool) -> tuple[dict[str, Rows], list[str]]:
    """The rows of each kind that is shown, and one sentence for each operator and network that cannot be used.

    titles: whether the files of devices are read; without that their names are known.
    """
    data: dict[str, Rows] = {"operators": [], "networks": [], "conventions": [], "devices": []}
    problems: list[str] = []
    if what in (None, "conventions"):
        data["conventions"] = [{"name": one.name, "counts": one.text} for one in CONVENTIONS.values()]
    if what in (None, "devices"):
        data["devices"] = device_rows() if titles else [{"name": name} for name in shipped_files.names("devices")]
    if what in ("conventions", "devices"):
        return data, problems
    found, problems = shipped()
    if what in (None, "networks"):
        data["networks"] = found["networks"]
    if what in (None, "operators"):
        plug_ins, broken = lookup.usable_plug_ins()
        problems = [*problems, *broken]
        rows = [*found["operators"], *map(operator_row, plug_ins)]
        data["operators"] = sorted(rows, key=lambda row: (row["family"], row["name"]))
    return data, problems


def _flat(data: dict[str, Rows]) -> Table:
    """Operators, networks, conventions and devices as one table; a cell is empty where its column does not apply."""
    names = ("kind", "name", "title", "family", "options", "source", "params", "macs")
    if [kind for kind, found in data.items() if found] == ["devices"]:
        return _devices(data["devices"], flat=True)
    rows: list[list[Cell]] = []
    for kind, found in data.items():
        for row in found:
            cells = {**row, "kind": kind.removesuffix("s"), "title": row.get("title", row.get("counts"))}
            cells["options"] = _options(row) if kind == "operators" else None
            rows.append([cells.get(name) for name in names])
    return Table(tuple(Column(name, "text") for name in names), rows, main=True)


def _options(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({option['default']})" for name, option in row["options"].items())


def _blocks(data: dict[str, Rows]) -> list[Block]:
    operators, networks, conventions = data["operators"], data["networks"], data["conventions"]
    blocks: list[Block] = [_family(family, operators) for family in dict.fromkeys(row["family"] for row in operators)]
    if networks:
        columns = (
            Column("network", "name"),
            Column("title", "text"),
            Column("params", "short"),
            Column("MACs", "short"),
        )
        rows: list[list[Cell]] = [[row["name"], row["title"], row["params"], row["macs"]] for row in networks]
        blocks.append(Table(columns, rows, title="Networks"))
    if conventions:
        named: list[list[Cell]] = [[row["name"], row["counts"]] for row in conventions]
        blocks.append(Table((Column("convention", "name"), Column("counts", "text")), named, title="Conventions"))
    if devices := data["devices"]:
        full = "peaks" in devices[0]
        text = f"{', '.join(row['name'] for row in devices)}; `flopcalc list devices` shows their peaks"
        blocks.append(_devices(devices) if full else Lines("Devices", [text]))
    # The packages that operators come from.
    if origins := [(row["name"], row["plug_in"]) for row in operators if row["plug_in"]]:
        blocks.append(Facts(origins, "Plug-ins"))
    return blocks


def device_rows() -> list[dict[str, Any]]:
    """The shipped devices. peaks: FLOP/s by dtype; bandwidth: bytes a second; memory: bytes."""
    # Reads YAML, which a plain listing does not.
    from flopcalc.analysis.timing import library

    return [
        {
            "name": one.name,
            "title": one.title,
            "kind": one.kind,
            "peaks": dict(one.peaks),
            "bandwidth": one.bandwidth,
            "memory": one.memory,
        }
        for one in map(library.device, library.names())
    ]


# The dtypes whose peaks have a column.
_PEAKS = ("float32", "tf32", "float16", "int8")


def _devices(devices: Rows, *, flat: bool = False) -> Table:
    """Peaks in TFLOPS, bandwidth in GB/s. flat: in FLOP/s and bytes a second."""
    peak, rate = (1.0, 1.0) if flat else (1e12, 1e9)
    columns = (
        Column("device", "name", key="name"),
        Column("title", "text"),
        *(Column(name, drop=place) for place, name in enumerate(_PEAKS)),
        Column("bytes/s" if flat else "GB/s", key="bandwidth"),
    )
    rows: list[list[Cell]] = [
        [
            row["name"],
            row["title"],
            *(row["peaks"][name] / peak if name in row["peaks"] else None for name in _PEAKS),
            row["bandwidth"] / rate,
        ]
        for row in devices
    ]
    return Table(columns, rows, title="" if flat else "Devices: dense peaks in TFLOPS", main=flat)


def _family(family: str, operators: Rows) -> Table:
    rows: list[list[Cell]] = [
        [
            row["name"],
            row["title"],
            _options(row),
            row["source"],
        ]
        for row in operators
        if row["family"] == family
    ]
    columns = tuple(Column(name, "text") for name in ("operator", "title", "options", "source"))
    return Table(columns, rows, title=family.capitalize())
