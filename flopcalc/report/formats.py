"""A document as JSON, CSV, Markdown, LaTeX or HTML."""

import json
from collections.abc import Sequence
from fractions import Fraction

from flopcalc.errors import printable
from flopcalc.report.document import LEFT, Cell, Document, Facts, Lines, Table, main_table, people
from flopcalc.report.encoding import json_escape


def to_json(document: Document) -> str:
    """The data, one value per line, ints exact. Control characters are escaped, so that reading restores them."""
    text = json.dumps(document.data, indent=2, ensure_ascii=False) + "\n"
    if text.replace("\n", "").isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else json_escape(letter) for letter in text)


def to_csv(document: Document) -> str:
    """The main table, exact values, without its totals."""
    import csv
    from io import StringIO

    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    table = main_table(document)
    if table is not None:
        kept = [index for index, column in enumerate(table.columns) if column.kind != "bar"]
        writer.writerow([table.columns[index].key or table.columns[index].title for index in kept])
        writer.writerows([_raw(row[index]) for index in kept] for row in table.rows)
    return printable(out.getvalue())


def _raw(cell: Cell) -> str:
    if cell is None:
        return ""
    return repr(float(cell)) if isinstance(cell, Fraction | float) else str(cell)


def to_markdown(document: Document) -> str:
    """GitHub's Markdown."""
    out = [f"## {markdown_text(document.title)}", ""]
    for block in document.blocks:
        if block.title:
            out += [f"### {markdown_text(block.title)}", ""]
        if isinstance(block, Table):
            out.append(_md_row([column.title for column in block.columns]))
            out.append("|" + "|".join(":---" if c.kind in LEFT else "---:" for c in block.columns) + "|")
            out += [_md_row(_people(block, row)) for row in [*block.rows, *block.totals]]
        elif isinstance(block, Facts):
            out += [
                f"- **{markdown_text(label)}** {markdown_text(text)}" if label else f"  {markdown_text(text)}"
                for label, text in block.items
            ]
        else:
            out += [f"- {markdown_text(line)}" for line in block.lines]
        out.append("")
    return "\n".join(out)


def _people(table: Table, row: Sequence[Cell]) -> list[str]:
    return [people(cell, column.kind) for column, cell in zip(table.columns, row, strict=True)]


def markdown_text(text: str) -> str:
    """Text with Markdown's special characters escaped, on one line."""
    text = printable(text).replace("\n", " ")
    for mark in "\\`*_<>|":
        text = text.replace(mark, "\\" + mark)
    return text


def _md_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(markdown_text, cells)) + " |"


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"\textbar{}",
    "\u2588": r"\rule{0.6em}{1.2ex}",
    "\u258f": r"\rule{0.1em}{1.2ex}",
}


def latex_text(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in printable(" ".join(text.split())))


def to_latex(document: Document) -> str:
    """The tables, each ready for a paper (packages: booktabs)."""
    out = [_comment(document.title)]
    for block in document.blocks:
        if isinstance(block, Facts):
            out += [_comment(f"{label}: {text}") for label, text in block.items]
        elif isinstance(block, Lines):
            out += [_comment(f"{block.title}: {line}") for line in block.lines]
        else:
            out += ["", *([_comment(block.title)] if block.title else []), *_tabular(block)]
    return "\n".join(out) + "\n"


def _comment(text: str) -> str:
    return "% " + printable(" ".join(text.split()))


def _tabular(table: Table) -> list[str]:
    align = "".join("l" if column.kind in LEFT else "r" for column in table.columns)

    def row(cells: Sequence[str]) -> str:
        return "  " + " & ".join(map(latex_text, cells)) + r" \\"

    lines = [rf"\begin{{tabular}}{{{align}}}", r"  \toprule", row([column.title for column in table.columns])]
    lines += [r"  \midrule", *(row(_people(table, cells)) for cells in table.rows)]
    if table.totals:
        lines += [r"  \midrule", *(row(_people(table, cells)) for cells in table.totals)]
    return [*lines, r"  \bottomrule", r"\end{tabular}"]


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
       color: #1b1f24; background: #fff; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.scroll { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #57606a; } .text { text-align: left; white-space: normal; }
tbody tr:nth-child(even) { background: #f6f8fa; } tfoot td { border-top: 1px solid #57606a; font-weight: 600; }
tfoot tr + tr td { border-top: 0; } .bar { color: #0969da; text-align: left; letter-spacing: -1px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; } dt { color: #57606a; }
dd { margin: 0; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117; } tbody tr:nth-child(even) { background: #161b22; }
  dt { color: #8d96a0; } .bar { color: #4493f8; }
}
"""


def to_html(document: Document) -> str:
    """One page with no outside parts."""
    from html import escape

    body = [f"<h1>{escape(document.title)}</h1>"]
    for block in document.blocks:
        if block.title:
            body.append(f"<h2>{escape(block.title)}</h2>")
        body += html_block(block)
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(document.title)}</title><style>{_STYLE}</style>"
    )
    content = "\n".join(body)
    return printable(f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{content}\n</body></html>\n')


def html_block(block: Table | Facts | Lines) -> list[str]:
    """A block of a document as a part of a page, escaped, without its title."""
    from html import escape

    if isinstance(block, Table):
        return _html_table(block)
    if isinstance(block, Facts):
        pairs = (f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in block.items)
        return ["<dl>", *pairs, "</dl>"]
    return ["<ul>", *(f"<li>{escape(line)}</li>" for line in block.lines), "</ul>"]


_CLASSES = {"text": "text", "name": "text", "bar": "bar"}


def _html_table(table: Table) -> list[str]:
    from html import escape

    kinds = [_CLASSES.get(column.kind, "") for column in table.columns]

    def row(tag: str, cells: Sequence[str]) -> str:
        pairs = zip(kinds, cells, strict=True)
        inner = (f"<{tag}{f' class={kind!r}' if kind else ''}>{escape(cell)}</{tag}>" for kind, cell in pairs)
        return f"<tr>{''.join(inner)}</tr>"

    lines = ['<div class="scroll"><table><thead>', row("th", [column.title for column in table.columns])]
    lines += ["</thead><tbody>", *(row("td", _people(table, cells)) for cells in table.rows), "</tbody>"]
    if table.totals:
        lines += ["<tfoot>", *(row("td", _people(table, cells)) for cells in table.totals), "</tfoot>"]
    return [*lines, "</table></div>"]
