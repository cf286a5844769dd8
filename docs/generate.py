"""Write the files that are generated from the code. `PAGES` lists them.

`python docs/generate.py` writes them. With --check it writes nothing, and fails if a file is out of date.
"""

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from flopcalc.analysis.timing.schema import device_schema
from flopcalc.catalog import lookup
from flopcalc.cli.main import COMMANDS, cli
from flopcalc.cli.main import main as main_of_commands
from flopcalc.cli.reproduce_page import document
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.networks import library
from flopcalc.networks.like import read_network_file
from flopcalc.networks.options import option_text
from flopcalc.networks.schema import network_schema
from flopcalc.primitives.registry import PRIMITIVES
from flopcalc.published import sources
from flopcalc.published.compare import reproduce_record
from flopcalc.published.errata import errata, wrong_figures
from flopcalc.published.tool_errata import TOOL_ERRORS, ToolError
from flopcalc.report.document import people
from flopcalc.report.formats import to_markdown
from flopcalc.spec.source import STATUS_TEXT
from flopcalc.targets.index import index_text

ROOT = Path(__file__).parent.parent
NOTE = "<!-- Written by docs/generate.py; edit the code instead. -->\n"


def cli_page() -> str:
    """The page with the help of every command."""
    lines = ["# The command line", "", NOTE]
    settings: dict[str, Any] = {"terminal_width": 100, "max_content_width": 100, "help_option_names": ["-h", "--help"]}
    context = click.Context(cli, info_name="flopcalc", **settings)
    pages = [("flopcalc", cli.get_help(context))]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        if command is None:
            continue
        inner = click.Context(command, parent=context, info_name=name, **settings)
        pages.append((f"flopcalc {name}", command.get_help(inner)))
    for title, text in pages:
        lines += [f"## {title}", "", "```text", *(line.rstrip() for line in text.splitlines()), "```", ""]
    lines += ["## Exit codes", "", "| exit code | meaning |", "|:---|:---|", *_EXIT_CODES, ""]
    lines += ["## Conventions", "", "Values of `--convention`:", "", "| name | meaning |", "|:---|:---|"]
    lines += [f"| `{one.name}` | {one.text} |" for one in CONVENTIONS.values()]
    return "\n".join(lines) + "\n"


_EXIT_CODES = (
    "| 0 | fine |",
    "| 1 | a check failed |",
    "| 2 | wrong usage or bad input; one line says what is wrong, and one line what to do |",
    "| 3 | an optional package is not installed; the hint is the pip command |",
    "| 70 | a bug in flopcalc; `--debug` shows the traceback |",
)


def operators_page() -> str:
    """The index of operators by family, with their cost next to a plain convolution. The site has a page for each."""
    example, families = _next_to_this_file("pages.example").example, _next_to_this_file("pages.families").family_index
    lines = ["# Operators", "", NOTE, *_INDEX_INTRO]
    for family, operators in families():
        lines += ["", f"## {family[:1].upper()}{family[1:]}", ""]
        lines += ["| operator | what it is | example | MACs | ratio | compared with | source |"]
        lines += ["|:---|:---|:---|---:|---:|:---|:---|"]
        for operator in operators:
            one = example(operator).evaluation
            ratio = people(one.ratio("macs"), "ratio")
            cells = [f"`{operator.name}`", operator.title, str(one.geometry), f"{one.macs:,}", ratio]
            lines.append(f"| {' | '.join([*cells, operator.baseline_text, operator.paper.who])} |")
    replaced: dict[str, list[str]] = {}
    for operator in lookup.every():
        replaced.setdefault(operator.policy.text, []).append(f"`{operator.name}`")
    lines += ["", "## What they replace in a network", "", "By default, as their papers did:", ""]
    lines += [f"- {policy}: {', '.join(names)}" for policy, names in replaced.items()]
    lines += ["", "## Statuses of printed equations", ""]
    lines += [f"- **{status}**: {text}" for status, text in STATUS_TEXT.items()]
    return "\n".join(lines) + "\n"


_INDEX_INTRO = (
    "All operators by family. The example is a shape with default options; *ratio* is MACs over those of the",
    "convolution in the column after it. The documentation site has a page for each operator: its structure, typeset",
    "equations, options, a worked example, a plot of its cost, and measured times. On the command line `flopcalc list",
    "operators` shows the options, `flopcalc layer NAME --cin 64` the cost, `flopcalc formula NAME` the equations,",
    "and `flopcalc list --matching --cin 64 --cout 128 --stride 2` the operators that can replace that convolution,",
    "the least work first, with the reason why each other operator cannot.",
    "",
    "Each operator is one file. You can add others in a [package](adding-an-operator.md) or a [YAML",
    "file](composing.md).",
)


_NETWORKS_INTRO = (
    "Classifiers, from AlexNet to Swin and MobileNetV4, detectors, and the versions of classifiers for CIFAR, at",
    "batch 1, with default options. [A guide](networks.md) describes how they are written; `flopcalc model NAME` shows",
    "one, and `--set` changes an option, for example `--set width=0.75` or `--set shortcut=B`. If torchvision has the",
    "network, the layers have torchvision's names, and tests compare each layer with torchvision's module.",
    "",
)


def networks_page() -> str:
    """The page of shipped networks: cost, input, options, the module with the same layer names, and the source."""
    lines = ["# Shipped networks", "", NOTE, *_NETWORKS_INTRO]
    lines += ["| network | parameters | MACs | input | options (defaults) | layers named as in |"]
    lines += ["|:---|---:|---:|:---|:---|:---|"]
    sources: dict[str, list[str]] = {}
    for name in library.names():
        net = library.load(name)
        data, _ = read_network_file(library.source(name), library.source)
        if not data.get("source"):
            sys.exit(f"configs/networks/{name}.yaml has no `source`: the paper, or the code, that it follows")
        sources.setdefault(" ".join(str(data["source"]).split()), []).append(f"`{name}`")
        options = ", ".join(f"`{option}` {option_text(value)}" for option, value in net.options.items())
        size = "x".join(map(str, net.input_shape))
        lines.append(f"| `{name}` | {net.params:,} | {net.macs:,} | {size} | {options} | {net.mirrors} |")
    lines += ["", "## Sources", ""]
    lines += [f"- {', '.join(names)}: {source}" for source, names in sources.items()]
    return "\n".join(lines) + "\n"


def primitives_page() -> str:
    """docs/networks.md with the table of primitives replaced by the present one."""
    page = (ROOT / "docs/networks.md").read_text()
    head, start, rest = page.partition("<!-- primitives:")
    note, _, rest = rest.partition("\n")
    _, end, tail = rest.partition("<!-- end of primitives -->")
    rows = [
        f"| `{one.name}` | {', '.join(map(_setting, one.settings.items()))} | {one.text} |"
        for one in PRIMITIVES.values()
    ]
    table = "\n".join(["| primitive | settings (defaults) | description |", "|:---|:---|:---|", *rows])
    return f"{head}{start}{note}\n\n{table}\n\n{end}{tail}"


def _setting(setting: tuple[str, Any]) -> str:
    name, default = setting
    return f"`{name}`" if default is None else f"`{name}` ({option_text(default)})"


def schema_file() -> str:
    """The schema, as `flopcalc schema` writes it."""
    return json.dumps(network_schema(), indent=1) + "\n"


def device_schema_file() -> str:
    """The schema of device files."""
    return json.dumps(device_schema(), indent=1) + "\n"


def published_page() -> str:
    """The page of published tables: every printed figure compared with ours."""
    shipped = sources.shipped()
    record = reproduce_record(shipped.comparisons())
    text = to_markdown(document(record, shipped.titles, whole=False))
    # The first heading is a sentence.
    counts, _, rest = text.removeprefix("## ").partition("\n")
    intro = "The output of `flopcalc reproduce`. [A guide](adding-a-table.md) describes how to write a table."
    return f"# Papers' tables\n\n{NOTE}\n{intro}\n\n{counts}.\n{rest}"


_COUNTS = re.compile(r"(<!-- Counts: .*? -->\n).*?(<!-- End of counts\. -->)", re.DOTALL)


def verifying_page() -> str:
    """docs/verifying.md with the counts of printed figures and of errata in it."""
    shipped = sources.shipped()
    record = reproduce_record(shipped.comparisons())
    counts = record["verdicts"]
    errors = [*errata(lookup.every()), *wrong_figures(shipped.tables)]
    lines = [
        "`flopcalc reproduce` without arguments compares "
        f"{record['checked']} figures of {len(sources.names())} papers and projects with ours:",
        f"{counts['agrees'] + counts['truncated']} agree, {counts['convention']} agree in a way of counting that is "
        f"named, {counts['misprint']} are misprints,",
        f"{counts['differs']} differ, and {counts['open']} are open, most of them of networks that flopcalc does not "
        "have. `flopcalc errata`",
        f"lists {len(errors)} errors in equations, statements and tables of papers.",
    ]
    text = (ROOT / "docs/verifying.md").read_text(encoding="utf-8")
    return _COUNTS.sub(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text)


def tool_errata_page() -> str:
    """The page of the errors of other counters."""
    lines = ["# Errors of other counters", "", NOTE, "The errors that `flopcalc errata --tools` lists, with the module"]
    lines += [
        "that shows each one. They are wrong figures, not other definitions: each right figure counts what the tool"
    ]
    lines += ["says that it counts. A test runs every module with the installed tool."]
    errors: dict[str, list[ToolError]] = {}
    for error in TOOL_ERRORS:
        errors.setdefault(f"{error.tool} {error.version}", []).append(error)
    for tool, found in errors.items():
        lines += [
            "",
            f"## {tool}",
            "",
            "| module | figure | right | worked out by hand | why |",
            "|:---|---:|---:|:---|:---|",
        ]
        lines += [
            f"| {one.case.what} | {one.printed:,} {one.unit} | {one.right:,} | {one.case.working} | {one.why} |"
            for one in found
        ]
    return "\n".join(lines) + "\n"


def _next_to_this_file(name: str) -> Any:
    """A module of this folder, which is not a package."""
    folder = str(Path(__file__).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return import_module(name)


def fewer_flops_page() -> str:
    """The page on measured times."""
    page: str = _next_to_this_file("fewer_flops").page(NOTE)
    return page


def fewer_flops_picture() -> str:
    """Its picture."""
    picture: str = _next_to_this_file("fewer_flops").picture()
    return picture


def readme_picture() -> str:
    """The picture of the README, by the command that is printed above it."""
    (command,) = re.findall(
        r"^flopcalc (plot .* -o) docs/cost\.svg$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cost.svg"
        if main_of_commands([*command.split(), str(path)]):
            sys.exit("the README's command for docs/cost.svg fails")
        return path.read_text(encoding="utf-8")


PAGES = {
    "docs/cost.svg": readme_picture,
    "docs/cli.md": cli_page,
    "docs/verifying.md": verifying_page,
    "docs/operators.md": operators_page,
    "docs/shipped-networks.md": networks_page,
    "docs/networks.md": primitives_page,
    "docs/published.md": published_page,
    "docs/fewer-flops.md": fewer_flops_page,
    "docs/fewer-flops.svg": fewer_flops_picture,
    "docs/tool-errata.md": tool_errata_page,
    "configs/network.schema.json": schema_file,
    "configs/device.schema.json": device_schema_file,
    "configs/index.json": index_text,
}


def main() -> int:
    """Write the files, or check that they are up to date."""
    stale = []
    for name, page in PAGES.items():
        path, text = ROOT / name, page()
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
        else:
            path.write_text(text)
    if stale:
        print(f"out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
