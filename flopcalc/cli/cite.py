"""`flopcalc cite`."""

import click

from flopcalc.catalog import lookup
from flopcalc.cli.completion import complete_papers
from flopcalc.cli.output import format_of, output_option, write
from flopcalc.errors import unknown_name
from flopcalc.published import tables
from flopcalc.report import citation
from flopcalc.spec.source import Paper


@click.command("cite", epilog="Example: flopcalc cite compconv spconv --as bibtex")
@click.argument("types", nargs=-1, metavar="[OPERATOR|PAPER]...", shell_complete=complete_papers)
@click.option(
    "--as",
    "style",
    type=click.Choice(("text", "bibtex")),
    help="How to write the papers (default: text; bibtex for a file that ends in .bib).",
)
@output_option
def command(types: tuple[str, ...], style: str | None, output: str | None) -> None:
    """The papers behind operators and tables, as text or BibTeX.

    A name is that of an operator, or of a paper as in `flopcalc reproduce`. Without names: the papers of all
    operators. A paper of several operators is listed once.
    """
    style = format_of(style, output, {".txt": "text", ".bib": "bibtex"}, "text")
    found = [paper for name in types for paper in _papers(name)] if types else [one.paper for one in lookup.usable()[0]]
    papers = {paper.key: paper for paper in found}
    cited, between = (citation.bibtex, "\n\n") if style == "bibtex" else (citation.text, "\n")
    content = between.join(cited(paper) for _, paper in sorted(papers.items())) + "\n"
    write(content, output)


def _papers(name: str) -> list[Paper]:
    """The paper of the operator of this name; else the papers of the published tables of this name."""
    operator = lookup.find(name)
    found = [operator.paper] if operator else [one.paper for one in tables.find(name)]
    if not found:
        known = [*lookup.names(), *tables.names()]
        raise unknown_name("operator or paper", name, known, "`flopcalc list` and `flopcalc reproduce` show both")
    return found
