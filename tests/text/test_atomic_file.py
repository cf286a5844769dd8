"""Files are written completely or not at all, and stay what they were."""

import os
from pathlib import Path

import pytest

from flopcalc.errors import FlopcalcError
from flopcalc.text.atomic_file import write_atomically


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    """Text for its owner only is not shown to others when it is written again."""
    path = tmp_path / "costs.json"
    path.write_text("old")
    path.chmod(0o600)
    write_atomically(str(path), "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_not_written(tmp_path: Path) -> None:
    """A link to itself, and a folder that does not exist: one error each, nothing left behind."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for path in (str(loop), f"{tmp_path}/new/"):
        with pytest.raises(FlopcalcError, match="cannot write"):
            write_atomically(path, "text")
    assert os.listdir(tmp_path) == ["loop"]
    assert loop.is_symlink()


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    """Although renaming another file over it would be possible."""
    path = tmp_path / "costs.json"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(FlopcalcError, match="read-only"):
        write_atomically(str(path), "new")
    assert path.read_text() == "old"
