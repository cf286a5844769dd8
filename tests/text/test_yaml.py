"""Files of YAML: their size, their bytes, and YAML 1.2's scalars."""

from pathlib import Path

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network


def test_huge_and_binary_files(tmp_path: Path) -> None:
    """Size is limited, and bytes that are not text are an error."""
    big = tmp_path / "big.yaml"
    big.write_text("# " + "x" * 1_100_000)
    with pytest.raises(FlopcalcError, match="larger"):
        network(str(big))
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FlopcalcError, match="UTF-8"):
        network(str(binary))
    with pytest.raises(FlopcalcError, match="cannot read"):
        network(str(tmp_path / "absent.yaml"))
    with pytest.raises(FlopcalcError, match="cannot read"):
        network(f"{tmp_path}/")


def test_scalars_are_yaml_1_2(write_network: WriteNetwork) -> None:
    """`no` and `1:30` are text; quoted numbers are text; tags of plain types are refused only where unsafe."""
    from flopcalc.text.yaml_file import read_text

    data = read_text('a: no\nb: 1:30\nc: "7"\nd: 0.25\ne: true\nf: ~\ng: 1e3\nh: !!str 5\ni: -3', "x")
    assert dict(data) == {
        "a": "no",
        "b": "1:30",
        "c": "7",
        "d": 0.25,
        "e": True,
        "f": None,
        "g": 1000.0,
        "h": "5",
        "i": -3,
    }
