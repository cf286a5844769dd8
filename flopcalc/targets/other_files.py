"""Files and folders that are not networks: the error says what the file is and what to give instead."""

import os

from flopcalc.errors import FlopcalcError, clip
from flopcalc.text import shipped_files

_WEIGHTS = (
    "holds weights, which do not say what the architecture is",
    "name the Python function or class that builds the model: package.module:factory or file.py:factory, with --input",
)
_EXPORTED = (
    "count the PyTorch model that it was exported from: package.module:factory with --input; or describe it in YAML"
)
_KINDS: dict[str, tuple[str, str]] = {
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl"), _WEIGHTS),
    ".npz": _WEIGHTS,
    ".onnx": ("is an ONNX model, and flopcalc does not read ONNX yet", _EXPORTED),
    ".tflite": ("is a TensorFlow Lite model, and flopcalc does not read TensorFlow Lite", _EXPORTED),
    ".pb": ("is a TensorFlow graph, and flopcalc does not read TensorFlow", _EXPORTED),
    ".mlmodel": ("is a Core ML model, and flopcalc does not read Core ML", _EXPORTED),
    ".mlpackage": ("is a Core ML model, and flopcalc does not read Core ML", _EXPORTED),
    ".engine": ("is a TensorRT engine, and flopcalc does not read TensorRT", _EXPORTED),
    **dict.fromkeys(
        (".h5", ".hdf5", ".keras"),
        (
            "is a Keras model, and flopcalc does not read Keras",
            "give the same model in PyTorch: package.module:factory with --input; or describe it in YAML",
        ),
    ),
    ".ipynb": (
        "is a notebook, which cannot be imported",
        "put the model into a file.py and write file.py:factory with --input; in the notebook, call flopcalc.count",
    ),
    ".json": (
        "is a JSON file",
        "write the configuration of a model of transformers as hf:config.json; a description is a .yaml file",
    ),
}


def check_is_readable(name: str) -> None:
    """Raise FlopcalcError (unreadable-model) for a file of a format that is not read, and for a folder."""
    path, colon, _ = name.partition(":")
    kind = _KINDS.get(os.path.splitext(path)[1].lower())
    # `package.pb:Net` is a module, unless there is such a file.
    if kind and (not colon or os.path.isfile(path)):
        raise FlopcalcError("unreadable-model", f"{clip(path)} {kind[0]}", kind[1])
    # A folder may have the name of a network.
    if os.path.isdir(name) and name not in shipped_files.names("networks"):
        raise FlopcalcError("unreadable-model", f"{clip(name)} is a folder", _folder_hint(name))


def _folder_hint(name: str) -> str:
    """What to give instead of a folder: a file in it, if one fits."""
    try:
        files = sorted(file for file in os.listdir(name) if file.endswith((".yaml", ".yml", ".py")))
    except OSError:
        files = []
    if os.path.isfile(os.path.join(name, "config.json")):
        return f"for a model of transformers write hf:{os.path.join(name, 'config.json')}"
    path = os.path.join(name, files[0]) if files else "file.py"
    example = path if path.endswith((".yaml", ".yml")) else f"{path}:factory"
    return f"give a file: the path of a YAML description, or file.py:factory, for example {example}"
