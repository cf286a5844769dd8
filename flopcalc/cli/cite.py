"""`flopcalc cite`."""

import click

from flopcalc import registry
from flopcalc.files import write_atomically
from flopcalc.report import citation


@click.command("cite", epilog="Example: flopcalc cite compconv spconv --as bibtex")
@click.argument("types", nargs=-1, metavar="[OPERATOR]...")
@click.option(
    "--as", "style", type=click.Choice(("text", "bibtex")), default="text", show_default=True, help="How to write them."
)
@click.option("-o", "--output", metavar="FILE", help="Write to FILE instead of the terminal.")
def command(types: tuple[str, ...], style: str, output: str | None) -> None:
    """The papers behind operators, as text or BibTeX.

    Without a name: those of all operators. A paper is given once, however many operators it has.
    """
    operators = [registry.get(name) for name in types or registry.names()]
    papers = {operator.paper.key: operator.paper for operator in operators}
    write, between = (citation.bibtex, "\n\n") if style == "bibtex" else (citation.text, "\n")
    content = between.join(write(paper) for _, paper in sorted(papers.items())) + "\n"
    if output is None:
        click.echo(content, nl=False)
    else:
        write_atomically(output, content)
