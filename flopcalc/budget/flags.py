"""Errors that name options of the command line, in the words of the file of targets."""

import re

# The keys of a target that the command line has as flags. --timeout and --debug are no keys: they stay.
_KEYS = {
    **dict.fromkeys(("input", "set", "batch", "replace", "where", "keep", "hw", "h", "w"), ""),
    **dict.fromkeys(("arg", "method", "on"), ""),
    **dict.fromkeys(("mode", "freeze", "checkpoint", "optimizer", "autocast", "accumulate"), ""),
    "optimizer-dtype": "optimizer_dtype",
    **dict.fromkeys(("stride", "padding", "dilation", "groups", "k"), ""),
    "cin": "c_in",
    "cout": "c_out",
}
_SETTING = r"[A-Za-z_]\w*=[^\s,;]+"
_VALUES = {
    "mode": r"training",
    "input": r"[\w=.]*\d[\w=:]*",
    "set": _SETTING,
    "arg": _SETTING,
    "batch": r"\d+",
    "on": r"(?:meta|cpu|auto)\b",
}
_GIVEN = {key: re.compile(rf"--{key} {value}(?: --{key} {value})*") for key, value in _VALUES.items()}
_FLAG = re.compile(rf"--({'|'.join(_KEYS)})(?![\w-]| \S+ on the command line)")
# What is in backticks is a command, which stays as it is.
_COMMAND = re.compile(r"(`[^`]*`)")


def as_keys(text: str) -> str:
    """`write --input 3x224x224` -> `write input: 3x224x224`; `--set a=1 --set b=2` -> `set: {a: 1, b: 2}`."""
    return "".join(piece if piece.startswith("`") else _plain(piece) for piece in _COMMAND.split(text))


def _plain(text: str) -> str:
    for key, pattern in _GIVEN.items():
        text = pattern.sub(lambda found, key=key: _written(key, found[0]), text)  # type: ignore[misc]
    return _FLAG.sub(lambda found: _KEYS[found[1]] or found[1], text)


def _written(key: str, text: str) -> str:
    values = [one.strip() for one in text.split(f"--{key} ") if one.strip()]
    if _VALUES[key] == _SETTING:
        return f"{key}: {{{', '.join(one.replace('=', ': ', 1) for one in values)}}}"
    return f"{key}: {values[0] if len(values) == 1 else '[' + ', '.join(values) + ']'}"
