"""Names of networks, and the descriptions that are kept after they were read."""

from pathlib import Path

import pytest

from flopcalc import FlopcalcError
from flopcalc.networks import library
from flopcalc.text import shipped_files

NET = "input: [8, 4, 4]\nlayers:\n  - a: {op: conv, out: 3, k: 1}\n"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> dict[str, library._Held]:
    """The descriptions that are kept: none yet."""
    found: dict[str, library._Held] = {}
    monkeypatch.setattr(library, "_held", found)
    return found


# Names -------------------------------------------------------------------------------------------------

HOW = "`flopcalc list` shows all networks; to use your own description, give a path ending in .yaml"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("xyzzy", HOW),
        ("xyzzy:plugh", f"flopcalc.count counts a PyTorch model in Python; {HOW}"),
        ("involution", f"involution is an operator: see flopcalc layer, in Python flopcalc.layer; {HOW}"),
    ],
)
def test_an_unknown_name(name: str, hint: str) -> None:
    """With what it may have meant."""
    with pytest.raises(FlopcalcError) as caught:
        library.source(name)
    assert (caught.value.message, caught.value.hint) == (f"unknown network {name!r}", hint)


def test_files_that_come_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network is what the folder of shipped descriptions has now."""
    monkeypatch.setattr(shipped_files, "folder", lambda kind: str(tmp_path))
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text(NET)
    assert library.source("one") == str(one)
    two.write_text(NET)
    assert library.source("two") == str(two)
    one.unlink()
    with pytest.raises(FlopcalcError, match="unknown network 'one'"):
        library.source("one")


# What is kept ------------------------------------------------------------------------------------------


def _written(folder: Path, *names: str) -> list[str]:
    paths = [folder / f"{name}.yaml" for name in names]
    for path in paths:
        path.write_text(NET)
    return list(map(str, paths))


def test_the_same_content_is_read_once(tmp_path: Path, held: dict[str, library._Held]) -> None:
    """Until it changes."""
    (path,) = _written(tmp_path, "net")
    first = library.compiled(path)
    assert library.compiled(path) is first
    Path(path).write_text(NET.replace("out: 3", "out: 5"))
    second = library.compiled(path)
    assert (first.at().params, second.at().params) == (24, 40)
    assert library.compiled(path) is second


def test_what_was_read_first_goes_first(
    tmp_path: Path, held: dict[str, library._Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is read again, since it changed, is the last one that was read."""
    monkeypatch.setattr(library, "MAX_HELD", 2)
    one, two, three = _written(tmp_path, "one", "two", "three")
    for path in (one, two):
        library.compiled(path)
    Path(one).write_text(NET.replace("out: 3", "out: 5"))
    for path in (one, three):
        library.compiled(path)
    assert list(held) == [one, three]


@pytest.mark.parametrize(("more", "kept"), [(0, 2), (-1, 1)])
def test_the_size_of_all_is_bounded(
    more: int, kept: int, tmp_path: Path, held: dict[str, library._Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers and steps, and pieces of 50 bytes of text: of 2,500 bytes there are 50."""
    one, two = _written(tmp_path, "one", "two")
    for path in (one, two):
        Path(path).write_text(f"{NET}#".ljust(2500, "x"))
    library.compiled(one).at()
    steps = held[one].description.size
    assert held[one].size == steps + 50
    # The second one was not evaluated: it has no steps yet.
    monkeypatch.setattr(library, "MAX_SIZE", steps + 50 + 50 + more)
    library.compiled(two)
    assert list(held) == [one, two][-kept:]
