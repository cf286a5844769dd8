"""The layout of documents: at any width all text is there, and no number is cut."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flopcalc.report.document import Cell, Column, Document, Facts, Lines, Table, people
from flopcalc.report.layout import columns_of, layout, wrapped
from flopcalc.report.plain import render

# Words of text; the second kind has joints, at which long words may be broken.
WORDS = st.one_of(
    st.sampled_from(["a", "layer", "convolution", "accumulates", "CamelCaseName", "64x112x112", "4x1024x7x7"]),
    st.lists(st.sampled_from(["a", "0", "12", "345", "conv1", "layer2", "1e"]), min_size=2, max_size=9).flatmap(
        lambda parts: st.sampled_from("._/:=-,").map(lambda joint: joint.join(parts))
    ),
    st.integers(-(10**18), 10**18).map(lambda n: f"{n:,}"),
    st.floats(0, 1e30, allow_nan=False).map(lambda x: f"{x:.4g}"),
)
TEXT = st.lists(WORDS, max_size=12).map(" ".join)
KINDS = st.sampled_from(["text", "name", "number", "short", "difference", "ratio", "share", "bar"])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    kinds = draw(st.lists(KINDS, min_size=1, max_size=9))
    columns = tuple(
        Column(f"column {'abcdefghi'[i]}", kind, drop=0 if kind == "bar" else draw(st.integers(0, 3)))  # type: ignore[arg-type]
        for i, kind in enumerate(kinds)
    )

    def cell(kind: str) -> st.SearchStrategy[Cell]:
        if kind in ("text", "name"):
            return TEXT
        if kind in ("ratio", "share", "bar"):
            return st.one_of(st.none(), st.floats(0, 1))
        return st.one_of(st.none(), st.integers(0, 10**18))

    rows = draw(st.lists(st.tuples(*map(cell, kinds)), max_size=5))
    totals = draw(st.lists(st.tuples(*map(cell, kinds)), max_size=2))
    return Table(columns, rows, totals, title=draw(TEXT))


BLOCKS = st.one_of(
    tables(),
    st.builds(Facts, st.lists(st.tuples(TEXT, TEXT), max_size=4), TEXT),
    st.builds(Lines, TEXT, st.lists(TEXT, max_size=4)),
)
DOCUMENTS = st.builds(Document, TEXT, st.lists(BLOCKS, max_size=3), st.just({}))

NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def _subsequence(text: str, lines: str) -> bool:
    """Whether the letters of a text appear in this order, with anything between them."""
    rest = iter(lines)
    return all(letter in rest for letter in text if letter != " ")


@given(document=DOCUMENTS, width=st.integers(40, 200))
def test_all_text_appears_or_its_column_is_named(document: Document, width: int) -> None:
    """Every number of a cell in full; every cell's letters in order; a dropped column is named in the note."""
    shown = render(document, width)
    numbers = NUMBER.findall(shown)
    flat = " ".join(shown.split())
    note = " ".join(re.findall(r"not shown at \d+ columns: (.*?); use", flat))
    for block in document.blocks:
        if isinstance(block, Table):
            for row in [*block.rows, *block.totals]:
                for column, cell in zip(block.columns, row, strict=True):
                    if column.kind == "bar" or (column.drop and column.title in note):
                        continue
                    text = people(cell, column.kind)
                    assert _subsequence(text, shown)
                    for number in NUMBER.findall(text):
                        assert number in numbers, (number, column)
        elif isinstance(block, Facts):
            assert all(_subsequence(label + text, shown) for label, text in block.items)
        else:
            assert all(_subsequence(line, shown) for line in block.lines)
    if not any(isinstance(block, Table) for block in document.blocks):
        assert "not shown" not in note


@given(document=DOCUMENTS, width=st.integers(40, 200))
def test_only_an_unbreakable_word_is_wider_than_the_page(document: Document, width: int) -> None:
    for line in render(document, width).splitlines():
        if len(line) > width:
            assert len(line.removeprefix("  - ").split()) == 1, line


@given(text=TEXT, size=st.integers(1, 60))
def test_wrapped_text_is_the_same_text(text: str, size: int) -> None:
    """No letter is lost, no number is broken, and only a word without a joint is too long."""
    lines = wrapped(text, size)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert [number for line in lines for number in NUMBER.findall(line)] == NUMBER.findall(text)


def _table(width: int, *columns: Column, row: list[Cell]) -> list[str]:
    return render(Document("t", [Table(columns, [row])], {}), width).splitlines()[2:]


def test_bars_go_first_and_without_a_note() -> None:
    columns = (Column("name", "name"), Column("n"), Column("", "bar"))
    lines = _table(40, *columns, row=["a" * 20, 123_456_789_012, 1.0])
    assert lines == _table(40, *columns[:2], row=["a" * 20, 123_456_789_012])
    assert "\u2588" in _table(60, *columns, row=["a" * 20, 123_456_789_012, 1.0])[-1]


def test_columns_of_the_highest_rank_go_first() -> None:
    columns = (Column("name", "name"), Column("n"), Column("less", drop=1), Column("least", drop=2))
    row: list[Cell] = ["a", 123_456_789_012, 123_456_789_013, 123_456_789_014]
    assert _table(60, *columns, row=row)[-1] == "a     123,456,789,012  123,456,789,013  123,456,789,014"
    shown = " ".join(_table(44, *columns, row=row))
    assert "123,456,789,013" in shown
    assert "123,456,789,014" not in shown
    assert "not shown at 44 columns: least; use a wider terminal or --format csv" in shown


def test_rows_become_blocks_if_no_columns_may_go() -> None:
    columns = (Column("name", "name"), Column("n"), Column("m"), Column("k"))
    row: list[Cell] = ["a", 123_456_789_012, 123_456_789_013, 123_456_789_014]
    assert _table(40, *columns, row=row) == [
        "a",
        "  n  123,456,789,012",
        "  m  123,456,789,013",
        "  k  123,456,789,014",
    ]


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("layer1.0.conv2", ["layer1.0.", "conv2"]),
        ("1,234,567,890", ["1,234,567,890"]),
        ("2.44e-05", ["2.44e-05"]),
        ("16,24,40,80", ["16,", "24,", "40,", "80"]),
        ("alpha=1/4", ["alpha=", "1/4"]),
        ("BasicBlock_one", ["Basic", "Block_", "one"]),
    ],
)
def test_words_are_broken_at_joints_and_never_inside_numbers(word: str, pieces: list[str]) -> None:
    assert wrapped(word, 1) == pieces


def test_indentation_of_code_is_kept() -> None:
    """Where a line is wrapped as well."""
    assert wrapped("    return torch.matmul(x, weight)", 28) == ["    return torch.matmul(x,", "weight)"]


def test_wide_letters_take_two_columns() -> None:
    assert columns_of("卷积 a") == 6
    lines = _table(40, Column("name", "name"), Column("n"), row=["卷积", 5])
    assert [columns_of(line) for line in lines[::2]] == [len(lines[0])] * 2


def test_control_characters_are_shown_as_escapes() -> None:
    document = Document("a\x1b[31mb", [Facts([("x\x07", "y\u202ez")]), Lines("\x9b1m", ["\u200b\udc80\r\x7f"])], {})
    lines = [line.text for line in layout(document, 80)]
    assert lines == [r"a\x1b[31mb", r"  x\x07  y\u202ez", "", r"\x9b1m", r"  - \u200b\udc80\r\x7f"]
