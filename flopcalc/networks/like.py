"""Networks derived from other networks: `like: resnet50`, `set: {blocks: [3, 4, 23, 3]}`."""

import os
import re
from collections.abc import Callable
from typing import Any

from flopcalc.errors import FlopcalcError
from flopcalc.networks.call_labels import check_calls
from flopcalc.networks.description import check_reference
from flopcalc.networks.options import default_options, known_options, network_file, read_input, read_option
from flopcalc.text.expression import exact
from flopcalc.text.input_file import read_bytes
from flopcalc.text.yaml_file import File, Map, copied, line_of, read_content

MAX_CHAIN = 5
_DOTS = re.compile(r"^(\./+)+")
_OWN = ("name", "title", "mirrors", "calls", "source", "input", "reference")
OF_DERIVED = ("like", "set", *_OWN)


class Files:
    """What a description was read from: the content of each file, and the path of each network that one is `like`."""

    def __init__(self, find: Callable[[str], str]) -> None:
        self._find = find
        self.contents: dict[str, bytes] = {}
        self.paths: dict[str, str] = {}

    def content(self, path: str) -> bytes:
        """The content of a file. Raises FlopcalcError (unreadable-file)."""
        found = self.contents[path] = read_bytes(path, "network")
        return found

    def find(self, target: str) -> str:
        """The path of a network by its name or path."""
        found = self.paths[target] = self._find(target)
        return found

    def unchanged(self) -> bool:
        """Whether reading now would give the same. It reads the files: the time of a file may stay when it changes."""
        try:
            return all(self._find(target) == path for target, path in self.paths.items()) and all(
                read_bytes(path, "network") == content for path, content in self.contents.items()
            )
        except FlopcalcError:
            return False


def read_network_file(path: str, find: Callable[[str], str]) -> tuple[Any, str]:
    """The data of a description and the file that holds its layers, for errors.

    A file with `like` has the layers of another network, and other defaults of its options. find: a name or
    path -> the path of a description. Raises FlopcalcError (bad-network, bad-yaml, unreadable-file).
    """
    return read_files(path, Files(find))


def read_files(path: str, files: Files, depth: int = 0) -> tuple[Any, str]:
    """As `read_network_file`; `files` notes what was read."""
    data = read_content(files.content(path), path)
    if not isinstance(data, Map) or "like" not in data:
        return data, path
    file = network_file(path)
    file.known(data, OF_DERIVED, "(top level)")
    if depth >= MAX_CHAIN:
        raise file.error(data, "like", f"more than {MAX_CHAIN} networks, each like the next")
    target = str(data["like"])
    if target.endswith((".yaml", ".yml")):
        target = os.path.join(os.path.dirname(path), _DOTS.sub("", target))
    try:
        found = files.find(target)
        if found in files.contents:
            chain = " like ".join([*list(files.contents)[list(files.contents).index(found) :], found])
            raise file.error(data, "like", f"the network is like itself: {chain}", "name another network")
        base, base_path = read_files(found, files, depth + 1)
    except FlopcalcError as error:
        if error.code in ("unknown-network", "unreadable-file"):
            raise file.error(data, "like", error.message, error.hint) from None
        raise
    if not isinstance(base, Map):
        return base, base_path
    # The figures of the other network are not its own.
    merged = copied(base)
    merged.pop("reference", None)
    merged["name"] = os.path.basename(path).rsplit(".", 1)[0]
    for key in _OWN:
        if key in data:
            merged[key], merged.lines[key] = data[key], line_of(data, key)
    _check_own(file, data, merged)
    default_options(network_file(base_path), base)
    merged["options"] = _defaults(file, data, base)
    return merged, base_path


def _check_own(file: File, data: Map, merged: Map) -> None:
    """Raise an error for what the file has of its own; later ones name the file with the layers."""
    for key in ("name", "title", "mirrors", "source"):
        file.words(data, key, "")
    check_reference(file, data)
    if "input" in data:
        read_input(file, data, None)
    if "calls" in data:
        check_calls(file, merged)


def _defaults(file: File, data: Map, base: Map) -> Map:
    """The options of the base network with the defaults of `set`."""
    given = data.get("set") or Map()
    declared = base.get("options") or Map()
    if not isinstance(given, Map):
        raise file.error(data, "set", "set maps options of the other network to their defaults here")
    options = copied(declared)
    for option, value in given.items():
        try:
            known_options(str(data["like"]), declared, given)
            found = read_option(option, declared[option], given)
        except FlopcalcError as error:
            raise file.error(given, option, error.message, error.hint) from None
        options[option] = copied(declared[option])
        options[option]["default"] = _as_default(declared[option], value, found)
    return options


def _as_default(declared: Map, value: Any, found: Any) -> Any:
    """A value of an option as its default, so that its type stays. found: what it is read as."""
    if "choices" in declared:
        return value
    if isinstance(declared["default"], list):
        return list(found)
    if isinstance(declared["default"], int):
        return found
    try:
        number = float(found)
    except OverflowError:
        return value
    # The text of a fraction is exact, and a decimal near it is not.
    return number if exact(number) == found else value
