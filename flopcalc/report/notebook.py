"""A document as a part of a page, for a notebook: compact, in the colours of the notebook, which may be dark."""

from html import escape

from flopcalc.errors import printable
from flopcalc.report.document import Document, Facts, Lines, Table
from flopcalc.report.formats import html_block

Block = Table | Facts | Lines

# Longer lists are closed until the reader opens them; what could not be counted is always seen.
_OPEN = 3
_ALWAYS = "Not counted"

# Only greys and a blue that can be read on white and on black: a page does not know the colours of the notebook.
_STYLE = """
.flopcalc { font-size: 13px; line-height: 1.45; color: inherit; margin: .4em 0; max-width: 72em; }
.flopcalc .title { font-weight: 600; margin: 0 0 .3em; overflow-wrap: anywhere; }
.flopcalc .heading, .flopcalc summary { font-weight: 600; margin: .6em 0 .2em; }
.flopcalc summary { cursor: pointer; }
.flopcalc .scroll { overflow-x: auto; margin: .3em 0; }
.flopcalc table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0; border: 0;
  font-size: inherit; color: inherit; width: auto; }
.flopcalc th, .flopcalc td { padding: .1em .7em; text-align: right; white-space: nowrap; border: 0;
  background: transparent; color: inherit; max-width: none; }
.flopcalc thead th { border-bottom: 1px solid rgba(128, 128, 128, .7); }
.flopcalc tbody tr, .flopcalc tfoot tr { background: transparent; border: 0; }
.flopcalc tbody tr:nth-child(even) { background: rgba(128, 128, 128, .1); }
.flopcalc tfoot td { font-weight: 600; }
.flopcalc tfoot tr:first-child td { border-top: 1px solid rgba(128, 128, 128, .7); }
.flopcalc th.text, .flopcalc td.text { text-align: left; white-space: normal; min-width: 5em; }
.flopcalc td.bar { text-align: left; letter-spacing: -1px; color: #2f7fe0; }
.flopcalc dl { display: grid; grid-template-columns: max-content 1fr; gap: .05em 1em; margin: .3em 0; }
.flopcalc dt { opacity: .75; font-weight: 400; margin: 0; float: none; width: auto; white-space: nowrap; }
.flopcalc dd { margin: 0; padding: 0; overflow-wrap: anywhere; }
.flopcalc ul { margin: .2em 0; padding-left: 1.4em; }
.flopcalc math { font-size: 1.15em; }
""".strip()


def _closed(block: Block) -> int:
    """The number of lines that are closed at first; 0 for a block that is always open."""
    if not block.title or isinstance(block, Table) or block.title.startswith(_ALWAYS):
        return 0
    return len(block.lines if isinstance(block, Lines) else block.items)


def fragment(document: Document, formula: str = "") -> str:
    """The document as one element, with its style. formula: MathML that is shown below the title."""
    body = [f'<div class="title">{escape(document.title)}</div>', *([formula] if formula else [])]
    for block in document.blocks:
        found = html_block(block)
        if (size := _closed(block)) > _OPEN:
            body += [f"<details><summary>{escape(block.title)} ({size})</summary>", *found, "</details>"]
            continue
        if block.title:
            body.append(f'<div class="heading">{escape(block.title)}</div>')
        body += found
    return printable(f'<div class="flopcalc"><style>{_STYLE}</style>\n' + "\n".join(body) + "\n</div>\n")
