"""What a page consists of, ready for its template: texts, numbers as text, and positions. Nothing is computed later."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from flopcalc.report.document import Facts, Lines, Table


class Card(NamedTuple):
    """A headline number. value: short, 4.09G; exact: all digits with the unit. least: it is a lower bound.

    before: the change to the network before replacement.
    """

    label: str
    value: str
    exact: str
    least: bool = False
    before: str = ""


class Box(NamedTuple):
    """A module in the picture of the tree. left, top, width, height: in percent. color: 0 for a module of layers.

    text: its label; shown: whether there is room for it. title: what a reader of the screen hears.
    """

    name: str
    level: int
    left: float
    top: float
    width: float
    height: float
    color: int
    text: str
    title: str
    shown: bool


class Legend(NamedTuple):
    """A color of the picture, and the types of layers that have it."""

    color: int
    text: str


class Icicle(NamedTuple):
    """The picture of the tree. height: pixels. columns: its levels."""

    boxes: Sequence[Box]
    legend: Sequence[Legend]
    height: int
    columns: int
    what: str


class Column(NamedTuple):
    """A column of the table of layers. numeric: sorted as numbers, the largest first."""

    title: str
    numeric: bool


class Cell(NamedTuple):
    """A cell: its text, and the number by which it is sorted where the text is not that number."""

    text: str
    by: str = ""


class Row(NamedTuple):
    """A layer. weight: its share of the headline, for the sum of the rows that a filter leaves. top: also on paper."""

    cells: Sequence[Cell]
    weight: float
    top: bool


class Layers(NamedTuple):
    """The table of layers.

    printed: the number of rows on paper. noun: what the rows are about; counted: what there are as many of as rows.
    """

    columns: Sequence[Column]
    rows: Sequence[Row]
    totals: Sequence[str]
    printed: int
    noun: str
    counted: str
    what: str


class Chart(NamedTuple):
    """A drawn picture. svg: safe markup. label: what it shows, for those who do not see it."""

    svg: str
    label: str
    caption: str = ""


class Formula(NamedTuple):
    """One equation: its name, and its right side in lines of MathML. more: lines that are folded."""

    name: str
    lines: Sequence[str]
    more: Sequence[str] = ()


class Forms(NamedTuple):
    """The closed form.

    parts_on_paper: whether there are few enough parts. before: that before replacement. elsewhere: it does not hold at
    the sizes of this page. blocks: conditions and ratios. sources: text to copy.
    """

    symbols: Sequence[tuple[str, str]]
    main: Sequence[Formula]
    definitions: Sequence[tuple[str, str]]
    others: Sequence[Formula]
    parts: Sequence[Sequence[str]]
    parts_on_paper: bool
    per: str
    before: Sequence[Formula]
    elsewhere: bool
    blocks: Sequence[Table | Facts | Lines]
    sources: Sequence[tuple[str, str]]


class Tool(NamedTuple):
    """What another counter prints. reasons: each with its amount."""

    name: str
    version: str
    means: str
    figure: str
    ratio: str
    reasons: Sequence[tuple[str, str]]
    doubt: str


class Printed(NamedTuple):
    """A printed equation. printed, right: MathML; label_of_right: corrected, exact or other reading."""

    label: str
    gives: str
    where: str
    printed: str
    status: str
    meaning: str
    label_of_right: str
    right: str
    why: str
    values: Sequence[tuple[str, str]]


class Statement(NamedTuple):
    """A wrong statement of a paper, with the evidence."""

    where: str
    printed: str
    right: str
    evidence: Sequence[tuple[str, str]]


class Provenance(NamedTuple):
    """An operator and its sources. used: where it is in the network."""

    name: str
    title: str
    used: str
    paper: str
    equations: Sequence[Printed]
    statements: Sequence[Statement]


class Citation(NamedTuple):
    """A source: one line of text, its link or nothing, and BibTeX."""

    key: str
    text: str
    link: str
    bibtex: str


class Replaced(NamedTuple):
    """What a replacement did. rows: quantity, before, after, ratio. lines: which layers, and why others stay."""

    by: str
    as_counted: bool
    rows: Sequence[Sequence[str]]
    summary: Sequence[str]
    lines: Sequence[tuple[str, Sequence[str]]]
    charts: Sequence[Chart]
    notes: Sequence[str]


class Part(NamedTuple):
    """A section made of pictures and of the blocks of a document. absent: why there is none, and what to do."""

    charts: Sequence[Chart] = ()
    blocks: Sequence[Table | Facts | Lines] = ()
    absent: tuple[str, str] | None = None


class Page(NamedTuple):
    """The whole report."""

    target: str
    title: str
    subtitle: str
    lead: str
    command: str
    version: str
    convention: str
    cards: Sequence[Card]
    uncounted: Sequence[str]
    facts: Sequence[tuple[str, str]]
    tree: Icicle | None
    stages: Table | None
    replaced: Replaced | None
    layers: Layers
    forms: Forms | None
    no_forms: tuple[str, str] | None
    time: Part | None
    memory: Part
    tools: Sequence[Tool]
    tools_about: str
    provenance: Sequence[Provenance]
    citations: Sequence[Citation]
    notes: Sequence[str]
    data: dict[str, Any]


class ModelCard(NamedTuple):
    """A block for a model card. header, rows: of its table. code: facts whose text is code."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    facts: Sequence[tuple[str, str]]
    code: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    counters: Sequence[Sequence[str]]
    notes: Sequence[str]
    sources: Sequence[str]
    command: str
    version: str
