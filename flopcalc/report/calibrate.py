"""`flopcalc calibrate` as tables."""

from collections.abc import Iterator

from flopcalc.analysis.calibrate import Calibration
from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, seconds


def calibrate_document(found: Calibration, *, flat: bool = False) -> Document:
    """The measured passes with their estimates. flat: in seconds, for CSV."""
    record = found.to_dict()
    columns = (
        Column("pass", "name", key="name"),
        Column("batch", key="batch"),
        Column("dtype", "text", key="dtype", drop=3),
        Column("measured", key="measured_s"),
        Column("before", key="before_s", drop=1),
        Column("estimate", key="estimate_s"),
        Column("left out", key="left_out_s"),
        Column("bound", key="bound_s", drop=2),
    )
    rows: list[list[Cell]] = [
        [one.name, one.batch, one.dtype, *(time if flat else seconds(time) for time in one[3:])] for one in found.cases
    ]
    blocks: list[Table | Facts | Lines] = [Table(columns, rows, main=True), Facts(list(_facts(found)))]
    blocks.append(Lines("Notes", record["notes"]))
    title = f"{found.file}: a device for flopcalc roofline, fitted on {len(found.cases)} passes on this machine"
    return Document(title, blocks, record)


def _facts(found: Calibration) -> Iterator[tuple[str, str]]:
    yield "measured on", f"{found.machine}, {found.on}, eager"
    yield "before", f"median error {found.error('before_s'):.0%} with the efficiencies of {found.base}"
    yield "estimate", f"median error {found.error():.0%} with the fitted ones"
    yield (
        "left out",
        f"median error {found.error('left_out_s'):.0%} of passes whose operator or network was not fitted",
    )
    yield "try", f"flopcalc roofline resnet50 --device {found.file}"
