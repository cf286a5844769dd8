"""A module that the user names: `package.module:factory`, `path/file.py:factory`, `torchvision:NAME`, `timm:NAME`.

This is the one place that runs a user's code, and only code that the user named. Whatever goes wrong
in it becomes one line and a hint; what it prints goes to stderr, so that JSON stays JSON.
"""

import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from difflib import get_close_matches
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor, nn

from flopcalc.errors import FlopcalcError, clip, missing_package, reason

_HUBS = ("torchvision", "timm")
_DOES_NOT_FIT = "operator torchvision::nms does not exist"


@contextmanager
def visiting(target: str) -> Iterator[None]:
    """Where a target's code may run: its prints on stderr, its own command line.

    Its file's folder and this one can be imported from. Modules that came from there are forgotten
    afterwards: another version of the same file may come next, with neighbours of the same names.
    """
    path, _, _ = target.rpartition(":")
    folders = [os.getcwd()]
    if path.endswith(".py"):
        folders.insert(0, os.path.abspath(os.path.dirname(path)))
    modules, search, arguments = set(sys.modules), list(sys.path), sys.argv
    sys.path[:0] = folders
    sys.argv = [path]
    try:
        with redirect_stdout(sys.stderr), _descriptor_to_stderr():
            yield
    finally:
        sys.path[:], sys.argv = search, arguments
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if any(_is_theirs(file, folder) for folder in folders):
                del sys.modules[name]


def _is_theirs(file: object, folder: str) -> bool:
    """Whether a module's file lies in the folder, and is not an installed package or our own."""
    if not isinstance(file, str) or not os.path.abspath(file).startswith(os.path.join(folder, "")):
        return False
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return "site-packages" not in file and not os.path.abspath(file).startswith(os.path.join(ours, ""))


@contextmanager
def _descriptor_to_stderr() -> Iterator[None]:
    """What C code and child processes print goes to stderr as well; nothing where there are no descriptors."""
    try:
        for stream in (sys.stdout, sys.__stdout__):
            if stream is not None:
                stream.flush()
        kept = os.dup(1)
        os.dup2(2, 1)
    except (OSError, ValueError):
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()
        os.dup2(kept, 1)
        os.close(kept)


class Loaded(NamedTuple):
    """A module, and whether it was built for us alone (or is an object of the user's code)."""

    module: nn.Module
    built: bool


def load_module(target: str, settings: Mapping[str, Any]) -> Loaded:
    """The nn.Module that a target names, built on the meta device where its code allows.

    settings: keywords for the factory. To be called inside `visiting(target)`, as is the forward.
    Raises FlopcalcError for whatever is wrong with the target or with its code.
    """
    place, _, attribute = target.rpartition(":")
    if place in _HUBS:
        found = _from_hub(place, attribute)
    else:
        source = _file(place) if place.endswith(".py") else _importable(place)
        found = _attribute(source, place, attribute)
    return load_object(found, target, settings)


def load_object(found: Any, target: str, settings: Mapping[str, Any]) -> Loaded:
    """The nn.Module that an object is, or builds. target: what errors call it. Raises FlopcalcError."""
    if isinstance(found, nn.Module):
        if settings:
            why = f"{target} is a module that is already built: --set has nobody to go to"
            raise FlopcalcError("bad-option", why, "name a class or a function that builds it")
        return Loaded(_plain(found), built=False)
    if not callable(found):
        raise FlopcalcError(
            "not-a-module",
            f"{target} is {_article(found)}, not an nn.Module",
            "name an nn.Module, its class, or a function that returns one",
        )
    _check_arguments(target, found, settings)
    module = _build(target, found, settings)
    if not isinstance(module, nn.Module):
        if inspect.iscoroutine(module):
            module.close()
        inside = isinstance(module, list | tuple | dict) and any(
            isinstance(item, nn.Module) for item in (module.values() if isinstance(module, dict) else module)
        )
        hint = (
            "let it return an nn.Module" if not inside else "there is a module inside: let a function return it alone"
        )
        raise FlopcalcError("not-a-module", f"{target} returned {_article(module)}, not an nn.Module", hint)
    return Loaded(_plain(module), built=True)


def _plain(module: nn.Module) -> nn.Module:
    """The module behind torch.compile, which would compile it again."""
    inner = getattr(module, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else module


def _article(value: object) -> str:
    if isinstance(value, ModuleType):
        return "a Python module"
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


# Importing ------------------------------------------------------------------------------------------


def _file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        folder, name = os.path.split(path)
        what = "is a folder" if os.path.isdir(path) else "is not there"
        with suppress(OSError):
            near = get_close_matches(name, [f for f in os.listdir(folder or ".") if f.endswith(".py")], n=2)
            if near:
                hint = f"did you mean {' or '.join(os.path.join(folder, one) for one in near)}?"
                raise FlopcalcError("unknown-module", f"the file {clip(path)} {what}", hint)
        raise FlopcalcError("unknown-module", f"the file {clip(path)} {what}", "give the path of a Python file")
    # A name of its own: a file may be called as a package is that it imports.
    name = f"_flopcalc_target_{os.path.basename(path).removesuffix('.py')}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FlopcalcError("unknown-module", f"Python cannot import {clip(path)}", "give the path of a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        _import_failed(path, error)
    return module


def _importable(name: str) -> ModuleType:
    root = name.split(".", maxsplit=1)[0]
    try:
        try:
            return importlib.import_module(name)
        except RuntimeError as error:
            if root != "torchvision" or _DOES_NOT_FIT not in str(error):
                raise
            _declare_operators()
            return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing and (name == missing or name.startswith(f"{missing}.")):
            _no_such_module(name, missing)
        _import_failed(name, error)
    except BaseException as error:
        _import_failed(name, error)


_declared: list[Any] = []


def _declare_operators() -> None:
    """The operators that a torchvision built for CUDA wants to describe, and a CPU-only torch lacks.

    Only its detectors call them; without the declarations it cannot be imported at all.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    # The declarations live as long as the library object.
    _declared.append(library)


def _no_such_module(name: str, missing: str) -> NoReturn:
    parent, _, last = missing.rpartition(".")
    if missing in _HUBS:
        raise missing_package(missing, missing, f"the target {missing}:NAME")
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    known = {module.name for module in pkgutil.iter_modules(path)} if path or not parent else set()
    near = get_close_matches(last, known, n=2, cutoff=0.7)
    names = " or ".join(f"{parent}.{one}" if parent else one for one in near)
    where = "modules are looked for in this folder and where Python keeps packages; a file is path/net.py:NAME"
    inside = f" (of {name})" if missing != name else ""
    message = f"no module is called {clip(missing)}{inside}"
    raise FlopcalcError("unknown-module", message, f"did you mean {names}?" if near else where)


def _import_failed(target: str, error: BaseException) -> NoReturn:
    """Say what went wrong in the user's code, and in which of its lines."""
    if isinstance(error, SyntaxError):
        message = f"{error.filename or target}, line {error.lineno}: {reason(error.msg)}"
        raise FlopcalcError("broken-module", message, "mend the file; it is not valid Python") from error
    hint = "mend it, or see the traceback with --debug"
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install {error.name.split('.')[0]} beside flopcalc, or run where it can be imported"
    elif isinstance(error, ImportError) and "relative import" in str(error):
        hint = "name it as a module of its package: package.module:NAME, from the folder that holds the package"
    elif isinstance(error, SystemExit):
        hint = 'put what runs a program under if __name__ == "__main__":'
    elif _DOES_NOT_FIT in reason(error):
        hint = "this torchvision was built for another torch: install both from the same place"
    raise FlopcalcError("broken-module", f"importing {target} failed: {_told(error)}", hint) from error


def _told(error: BaseException) -> str:
    """`ValueError: bad width (net.py, line 12)`: the last line of the traceback that is not a library's."""
    text = "it calls sys.exit" if isinstance(error, SystemExit) else f"{type(error).__name__}: {reason(error)}"
    return f"{text}{place_of(error)}"


def place_of(error: BaseException | None) -> str:
    """` (net.py, line 12)`: where in the user's code an error arose; nothing where that is not known."""
    places, trace = [], error.__traceback__ if error else None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        # Frames of the import system and of this package are nobody's fault.
        if os.path.isfile(file) and "site-packages" not in file and os.path.dirname(__file__) not in file:
            places.append(f"{os.path.basename(file)}, line {trace.tb_lineno}")
        trace = trace.tb_next
    return f" ({places[-1]})" if places else ""


# Finding and building -------------------------------------------------------------------------------


def _attribute(found: Any, place: str, attribute: str) -> Any:
    for piece in attribute.split("."):
        try:
            found = getattr(found, piece)
        except AttributeError:
            names = [name for name in dir(found) if not name.startswith("_")]
            near = get_close_matches(piece, names, n=3, cutoff=0.6)
            own = [n for n in names if getattr(getattr(found, n, None), "__module__", "") == _module_name(found)]
            hint = (
                f"did you mean {' or '.join(near)}?"
                if near
                else f"it has: {', '.join((own or names)[:12]) or 'nothing'}"
            )
            raise FlopcalcError("unknown-attribute", f"{place} has no {clip(piece)}", hint) from None
        except Exception as error:
            _import_failed(f"{place}:{attribute}", error)
    return found


def _module_name(found: Any) -> str:
    return getattr(found, "__name__" if isinstance(found, ModuleType) else "__module__", "")


def _from_hub(place: str, name: str) -> Callable[..., Any]:
    """A builder of torchvision (without weights, its backbone's included) or of timm."""
    hub = _importable("torchvision.models" if place == "torchvision" else place)
    try:
        if place == "timm":
            if not hub.is_model(name):
                raise ValueError
            return lambda **settings: hub.create_model(name, **{"pretrained": False, **settings})
        builder: Callable[..., Any] = hub.get_model_builder(name)
    except ValueError:
        near = get_close_matches(name, hub.list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"names are those of {place}'s list_models()"
        raise FlopcalcError("unknown-attribute", f"{place} has no model {clip(name)}", hint) from None
    if "weights_backbone" in inspect.signature(builder).parameters:
        return lambda **settings: builder(**{"weights_backbone": None, **settings})
    return builder


def _check_arguments(target: str, factory: Callable[..., Any], settings: Mapping[str, Any]) -> None:
    """Refuse settings that the factory does not take, and name those that it needs."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return
    by_name = {
        name: one for name, one in parameters.items() if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    }
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    for name in settings:
        if name not in by_name and not open_ended:
            near = get_close_matches(name, by_name, n=2, cutoff=0.6)
            takes = f"it takes: {', '.join(by_name) or 'nothing'}"
            hint = f"did you mean {' or '.join(near)}? {takes}" if near else takes
            raise FlopcalcError("bad-option", f"{target} takes no {clip(name)}", hint)
    needed = [
        name
        for name, one in parameters.items()
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL) and name not in settings
    ]
    if needed:
        how = " ".join(f"--set {name}=..." for name in needed if name in by_name)
        hint = f"give {how}" if how else "write a function without arguments that builds it"
        raise FlopcalcError(
            "missing-argument", f"{target} needs {', '.join(needed)}", f"{hint}, or name a function that needs nothing"
        )


def _build(target: str, factory: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """Call the factory: on the meta device; where it reads values, for real, with its parameters on meta at once."""
    ways: tuple[Callable[[], Any], ...] = (lambda: torch.device("meta"), _registered_on_meta, nullcontext)
    for last, way in enumerate(ways, 1 - len(ways)):
        try:
            with way():
                return factory(**settings)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if last == 0 or not isinstance(error, Exception) or "meta" not in _chain(error):
                hint = "mend it, or see the traceback with --debug"
                if isinstance(error, SystemExit):
                    hint = "a factory returns the module and does no more"
                raise FlopcalcError("broken-factory", f"{target} failed: {_told(error)}", hint) from error
    raise AssertionError


def _chain(error: BaseException | None) -> str:
    texts: list[str] = []
    while error is not None and len(texts) < 10:
        texts.append(reason(error, 10**5))
        error = error.__cause__ or error.__context__
    return " ".join(texts)


@contextmanager
def _registered_on_meta() -> Iterator[None]:
    """Values are there to be read, but what a module keeps goes to meta, so that a large one fits."""
    from torch.nn.modules import module as hooks

    def moved(_module: nn.Module, _name: str, tensor: Tensor | None) -> Tensor | None:
        if tensor is None or isinstance(tensor, nn.parameter.UninitializedParameter | nn.parameter.UninitializedBuffer):
            return None
        empty = torch.empty_like(tensor, device="meta")
        return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty

    handles = [
        hooks.register_module_parameter_registration_hook(moved),  # type: ignore[arg-type]
        hooks.register_module_buffer_registration_hook(moved),  # type: ignore[arg-type]
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
