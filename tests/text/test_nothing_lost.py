"""Whatever happens while a file is written, it is the old one or the new one, and no other file is left."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flopcalc.errors import FlopcalcError
from flopcalc.text import atomic_file
from flopcalc.text.atomic_file import open_atomically, write_atomically

OLD = "what was there\n"
# What the writer asks the system for, in this order.
CALLS = ("open", "fsync", "chmod", "replace")
REASONS = {errno.ENOSPC: "No space left", errno.EROFS: "Read-only", errno.EIO: "", errno.EDQUOT: ""}


def _failing(name: str, error: BaseException) -> Any:
    """The module `os` with one function that fails."""

    class Failing:
        def __getattr__(self, asked: str) -> Any:
            if asked == name:
                return self.fail
            return getattr(os, asked)

        @staticmethod
        def fail(*_: Any, **__: Any) -> None:
            raise error

    return Failing()


@pytest.mark.parametrize("code", REASONS)
@pytest.mark.parametrize("call", CALLS)
def test_the_system_refuses(call: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, a read-only folder, an error of the device, a quota: at each step."""
    path = tmp_path / "costs.json"
    path.write_text(OLD)
    monkeypatch.setattr(atomic_file, "os", _failing(call, OSError(code, os.strerror(code))))
    with pytest.raises(FlopcalcError, match=f"cannot write .*{REASONS[code]}") as caught:
        write_atomically(str(path), "new")
    assert caught.value.code == "unwritable-output"
    assert caught.value.exit_code == 2
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"costs.json": OLD}


@pytest.mark.parametrize("call", CALLS)
def test_an_interrupt_at_each_step(call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "costs.json"
    path.write_text(OLD)
    monkeypatch.setattr(atomic_file, "os", _failing(call, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        write_atomically(str(path), "new")
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"costs.json": OLD}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_device_that_is_written_in_place() -> None:
    with pytest.raises(FlopcalcError, match="No space left"):
        write_atomically("/dev/full", "text")


def test_an_error_in_the_block_writes_nothing(tmp_path: Path) -> None:
    """The rows of a sweep fail after some were written."""
    path = tmp_path / "rows.csv"
    path.write_text(OLD)

    def write() -> None:
        with open_atomically(str(path)) as file:
            file.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"rows.csv": OLD}


def test_a_name_as_long_as_names_can_be(tmp_path: Path) -> None:
    """The temporary file has a short name of its own."""
    path = tmp_path / ("x" * 250 + ".json")
    write_atomically(str(path), "new")
    assert path.read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_links_are_followed(tmp_path: Path) -> None:
    """To a file, to another link, and to a file that is not there yet."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "first").symlink_to("second")
    (tmp_path / "second").symlink_to("folder/file")
    for text in ("one", "two"):
        write_atomically(str(tmp_path / "first"), text)
        assert (tmp_path / "folder" / "file").read_text() == text
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert [one.name for one in (tmp_path / "folder").iterdir()] == ["file"]


def test_a_private_file_is_private_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(OLD)
    path.chmod(0o600)
    with open_atomically(str(path)) as file:
        file.write("new")
        (beside,) = (one for one in tmp_path.iterdir() if one != path)
        assert beside.stat().st_mode & 0o077 == 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_threads_write_one_file(tmp_path: Path) -> None:
    """It is what one of them wrote, in full, at any time."""
    path = tmp_path / "costs.json"
    texts = [f"{number}" * 200_000 for number in range(6)]
    write_atomically(str(path), texts[0])
    failed: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    def read() -> None:
        for _ in range(60):
            assert path.read_text() in texts

    def write(text: str) -> None:
        for _ in range(10):
            write_atomically(str(path), text)

    threads = [threading.Thread(target=run, args=(lambda text=text: write(text),)) for text in texts]
    threads.append(threading.Thread(target=run, args=(read,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert path.read_text() in texts
    assert [one.name for one in tmp_path.iterdir()] == ["costs.json"]
