"""Finding the object that a target names: an attribute of a Python module, or a model of a hub."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from types import ModuleType
from typing import Any

from flopcalc.errors import FlopcalcError, clip
from flopcalc.pytorch.loading.importing import import_named, with_operators
from flopcalc.pytorch.loading.time_limit import TimeLimit, is_time_out, run_limited
from flopcalc.pytorch.loading.user_errors import import_failed


def find_attribute(found: Any, place: str, attribute: str, limit: TimeLimit | None) -> Any:
    """What `attribute` (`Net`, `Makers.small`) means in a module. Raises FlopcalcError."""
    for piece in attribute.split("."):
        try:
            found = run_limited(limit, f"reading {place}:{attribute}", partial(getattr, found, piece))
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
            if is_time_out(error):
                raise
            import_failed(f"{place}:{attribute}", error)
    return found


def _module_name(found: Any) -> str:
    return getattr(found, "__name__" if isinstance(found, ModuleType) else "__module__", "")


def find_in_hub(place: str, name: str, limit: TimeLimit | None) -> Callable[..., Any]:
    """A builder of torchvision (without weights, its backbone's included) or of timm."""
    hub = import_named("torchvision.models" if place == "torchvision" else place, limit)
    try:
        if place == "timm":
            if not hub.is_model(name):
                raise ValueError
            return lambda **settings: hub.create_model(name, **{"pretrained": False, **settings})
        builder: Callable[..., Any] = hub.get_model_builder(name)
    except ValueError:
        near = get_close_matches(name, hub.list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the names are those of list_models() of {place}"
        raise FlopcalcError("unknown-attribute", f"{place} has no model {clip(name)}", hint) from None
    if "weights_backbone" in inspect.signature(builder).parameters:
        return lambda **settings: builder(**{"weights_backbone": None, **settings})
    return builder


def timm_models(prefix: str) -> list[str]:
    """The names of timm's models that begin with a text, in order. Raises FlopcalcError without timm."""
    hub = with_operators(partial(import_named, "timm", None))
    return sorted(hub.list_models(f"{prefix}*"))
