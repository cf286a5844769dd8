"""Networks that are like each other in a circle."""

from pathlib import Path

import pytest

from flopcalc import FlopcalcError, network


@pytest.mark.parametrize("start", ["", "./"])
def test_the_circle_is_shown(start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths had a ./ for each turn: ./././two.yaml."""
    monkeypatch.chdir(tmp_path)
    Path("one.yaml").write_text("like: ./two.yaml\n")
    Path("two.yaml").write_text("name: two\nlike: .//./one.yaml\n")
    chain = " like ".join(f"{start}{name}.yaml" for name in ("one", "two", "one"))
    with pytest.raises(FlopcalcError) as caught:
        network(f"{start}one.yaml")
    assert caught.value.message == f"{start}two.yaml, line 2: the network is like itself: {chain}"


def test_a_long_chain_is_no_circle(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"n{number}.yaml").write_text(f"like: n{number + 1}.yaml\n")
    with pytest.raises(FlopcalcError, match="more than 5 networks, each like the next"):
        network(tmp_path / "n0.yaml")
