"""Files and folders that are not networks: what they are, and what to give instead."""

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Run

Runner = Callable[..., Run]


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        ("net.onnx", "ONNX", "exported from"),
        ("weights.pt", "weights", "package.module:factory"),
        ("weights.PTH", "weights", "file.py:factory"),
        ("last.ckpt", "weights", "--input"),
        ("model.safetensors", "weights", "factory"),
        ("net.tflite", "TensorFlow Lite", "exported from"),
        ("net.h5", "Keras", "PyTorch"),
        ("net.keras", "Keras", "PyTorch"),
        ("graph.pb", "TensorFlow", "exported from"),
        ("work.ipynb", "notebook", "file.py:factory"),
        ("some/folder/net.onnx", "ONNX", "exported from"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_other_formats(
    name: str, what: str, hint: str, there: bool, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the file is there or not: exit code 2, the format in the message, a way out in the hint."""
    monkeypatch.chdir(tmp_path)
    if there:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\x00")
    done = run("model", name)
    assert (done.code, done.out) == (2, "")
    message, advice = done.err.splitlines()
    assert what in message
    assert hint in advice


def test_a_file_with_a_name_behind_it(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`weights.pt:Net` is about the file if there is one, else about a module."""
    monkeypatch.chdir(tmp_path)
    assert "weights" not in run("model", "some_package.pt:Net", "--input", "3x8x8").err.replace("some_package", "")
    (tmp_path / "weights.pt").write_bytes(b"\x00")
    assert "holds weights" in run("model", "weights.pt:Net", "--input", "3x8x8").err


def test_a_folder(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named as a folder, with a file in it that could be meant; a network of that name is still a network."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert "'mine' is a folder" in run("model", "mine").err
    (tmp_path / "mine" / "net.yaml").write_text("input: [3, 8, 8]\n")
    assert "mine/net.yaml" in run("model", "mine/").err
    (tmp_path / "resnet18").mkdir()
    assert run("model", "resnet18").code == 0
