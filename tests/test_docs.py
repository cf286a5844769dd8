"""The documentation is true: its commands run, and their output is the one that it shows."""

import doctest
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers import ROOT, Run, for_author, fresh, script

from flopcalc.cli.main import COMMANDS
from flopcalc.networks import library
from flopcalc.text.yaml_file import read_text

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text()


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.usefixtures("workplace")
def test_docstrings_of_the_short_api() -> None:
    """Their examples; those of pages run in test_docs_examples.py."""
    pytest.importorskip("torch")
    pytest.importorskip("scipy")
    for package in ("pandas", "polars", "sympy", "numpy", "altair", "vl_convert"):
        pytest.importorskip(package)
    from flopcalc.analysis import formula, roofline, sweep
    from flopcalc.analysis.training import training
    from flopcalc.catalog import layer

    for module in (layer, sweep, formula, roofline, training):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed


@pytest.mark.usefixtures("workplace")
def test_commands_of_the_guide_to_replacing(run: Callable[..., Run]) -> None:
    """They run."""
    (block,) = _blocks((ROOT / "docs" / "replacing.md").read_text(), "sh")
    for command in block.splitlines():
        done = run(*shlex.split(command.removeprefix("flopcalc ")))
        assert done.code == 0, done.err
        assert "layers replaced" in done.out


def test_the_guide_to_replacing_has_every_field() -> None:
    """Its table of fields is complete."""
    from flopcalc.replacing.clause import FIELDS

    guide = (ROOT / "docs" / "replacing.md").read_text()
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(FIELDS)


def test_the_network_of_the_guide() -> None:
    """docs/networks.md's example reads, and is plain YAML for any reader."""
    text, *_ = _blocks((ROOT / "docs" / "networks.md").read_text(), "yaml")
    from flopcalc.networks.description import read_description

    net = read_description(read_text(text, "guide"), "guide", {}, None, 1)
    assert [layer.name for layer in net.layers if layer.kind == "linear"] == ["fc"]
    assert "layer2.0.shortcut.conv" in {layer.name for layer in net.layers}
    assert yaml.safe_load(text)["name"] == "tiny"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files that exist."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), for_author(
            target, "the link leads to no file; correct it", page.name
        )


def test_generated_pages_are_fresh() -> None:
    """The files that docs/generate.py writes are those that it would write now."""
    done = fresh(
        "import runpy, sys; sys.argv = ['x', '--check']; runpy.run_path('docs/generate.py', run_name='__main__')"
    )
    assert done.code == 0, done.err


def test_every_command_is_in_a_guide() -> None:
    """Besides the generated page of the command line. The network that the README uses loads."""
    guides = "".join(page.read_text() for page in PAGES if page.name not in ("cli.md", "decisions.md"))
    for name in COMMANDS:
        advice = "the README or a guide shows every command; add it"
        assert f"flopcalc {name}" in guides, for_author(name, advice, "README.md")
    assert "resnet50" in library.names()


def test_a_network_without_a_source_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script that writes the pages stops with one sentence."""
    generate = script(ROOT / "docs" / "generate.py")
    monkeypatch.setattr(generate, "read_network_file", lambda *_: ({}, ""))
    with pytest.raises(SystemExit, match=rf"configs/networks/{library.names()[0]}\.yaml has no `source`"):
        generate.networks_page()
