"""Importing a Python file or a module that the user names."""

import importlib
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from difflib import get_close_matches
from functools import partial
from types import ModuleType
from typing import NoReturn, TypeVar

from flopcalc.errors import FlopcalcError, clip, missing_package, reason
from flopcalc.pytorch.loading import torchvision_operators
from flopcalc.pytorch.loading.time_limit import TimeLimit, is_time_out, run_limited
from flopcalc.pytorch.loading.user_errors import DOES_NOT_FIT, import_failed

T = TypeVar("T")

# Packages of models, named as torchvision:NAME and timm:NAME.
HUBS = ("torchvision", "timm", "transformers")


# Files that were imported inside `each_file_once`, by their paths.
_imported: ContextVar[dict[str, ModuleType] | None] = ContextVar("imported", default=None)


@contextmanager
def each_file_once() -> Iterator[None]:
    """Inside it a Python file runs once, however often its models are loaded: a file may define kernels only once."""
    token = _imported.set({})
    try:
        yield
    finally:
        _imported.reset(token)


def import_file(path: str, limit: TimeLimit | None) -> ModuleType:
    """The module of a Python file. Raises FlopcalcError."""
    held = _imported.get()
    if held is not None and path in held:
        # The folder of the file was left in between, and its modules with it.
        sys.modules[held[path].__name__] = held[path]
        return held[path]
    module = _import_file(path, limit)
    if held is not None:
        held[path] = module
    return module


def _import_file(path: str, limit: TimeLimit | None) -> ModuleType:
    if not os.path.isfile(path):
        folder, name = os.path.split(path)
        what = "is a folder" if os.path.isdir(path) else "does not exist"
        with suppress(OSError):
            near = get_close_matches(name, [f for f in os.listdir(folder or ".") if f.endswith(".py")], n=2)
            if near:
                hint = f"did you mean {' or '.join(os.path.join(folder, one) for one in near)}?"
                raise FlopcalcError("unknown-module", f"the file {clip(path)} {what}", hint)
        raise FlopcalcError("unknown-module", f"the file {clip(path)} {what}", "give the path of a Python file")
    # An own name: a file may have the name of a package that it imports.
    name = f"_flopcalc_target_{os.path.basename(path).removesuffix('.py')}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FlopcalcError("unknown-module", f"Python cannot import {clip(path)}", "give the path of a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        run_limited(limit, f"importing {path}", partial(spec.loader.exec_module, module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if is_time_out(error):
            raise
        import_failed(path, error)
    return module


def import_named(name: str, limit: TimeLimit | None) -> ModuleType:
    """The module `package.module`. Raises FlopcalcError."""
    load = partial(run_limited, limit, f"importing {name}", partial(importlib.import_module, name))
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing and (name == missing or name.startswith(f"{missing}.")):
            _no_such_module(name, missing)
        import_failed(name, error)
    except BaseException as error:
        if is_time_out(error):
            raise
        import_failed(name, error)


def with_operators(load: Callable[[], T]) -> T:
    """What `load` returns. Where a torchvision in it was built for another torch, its operators are declared first.

    `load` then runs a second time: the operators cannot be declared before, since another torchvision declares them
    itself. The error may be far up in the chain of causes, because transformers hides it.
    """
    before = set(sys.modules)
    try:
        loaded = load()
    except Exception as error:
        if not _is_caused_by_operators(error):
            raise
    else:
        torchvision_operators.enable()
        return loaded
    torchvision_operators.declare()
    # Parts of a package that was not imported whole.
    for name in set(sys.modules) - before:
        if name.partition(".")[0] not in sys.modules:
            del sys.modules[name]
    loaded = load()
    torchvision_operators.enable()
    return loaded


def _is_caused_by_operators(error: BaseException | None) -> bool:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if DOES_NOT_FIT in reason(error, 10_000):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _no_such_module(name: str, missing: str) -> NoReturn:
    parent, _, last = missing.rpartition(".")
    if missing in HUBS:
        raise missing_package(missing, missing, f"the target {'hf' if missing == 'transformers' else missing}:NAME")
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    known = {module.name for module in pkgutil.iter_modules(path)} if path or not parent else set()
    near = get_close_matches(last, known, n=2, cutoff=0.7)
    names = " or ".join(f"{parent}.{one}" if parent else one for one in near)
    where = "Python looks in this folder and in the installed packages; write a file as path/net.py:NAME"
    inside = f" (of {name})" if missing != name else ""
    message = f"there is no module {clip(missing)}{inside}"
    raise FlopcalcError("unknown-module", message, f"did you mean {names}?" if near else where)
