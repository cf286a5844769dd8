"""Models of transformers from their configurations: `hf:bert`, `hf:LlamaForCausalLM`, `hf:path/config.json`.

No weights are read, and nothing is downloaded.
"""

import importlib
import importlib.util
import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from torch import nn

from flopcalc.errors import FlopcalcError, clip, reason
from flopcalc.networks.inputs import Input
from flopcalc.pytorch.loading.importing import import_named
from flopcalc.pytorch.loading.time_limit import TimeLimit, run_limited
from flopcalc.pytorch.loading.user_errors import import_failed
from flopcalc.text.input_file import decode, read_bytes

_FILE = "config.json"
_NAMES = "a model type such as hf:bert, a class such as hf:LlamaForCausalLM, or a file: hf:path/config.json"


def find_in_transformers(name: str, settings: Mapping[str, Any], limit: TimeLimit | None) -> Callable[[], Any]:
    """A function that builds the model of a name. settings: fields of its configuration. Raises FlopcalcError."""
    target = f"hf:{name}"
    is_file = name.endswith(".json") or os.path.isdir(name)
    if not is_file and "/" in name:
        raise FlopcalcError(
            "unknown-attribute",
            f"{target} names a model on a hub, and flopcalc downloads nothing",
            f"download the {_FILE} of {clip(name)}, and write hf:path/{_FILE}",
        )
    fields = _read(name) if is_file else {}
    library = import_named("transformers", limit)

    def configured() -> Callable[[], Any]:
        configuration, model = _classes(library, name, target, fields if is_file else None)
        given = _with_settings(target, configuration, fields, settings)
        # A model may change its configuration, so each one has its own.
        _configured(target, configuration, given)
        return lambda: model(_configured(target, configuration, given))

    try:
        return run_limited(limit, f"reading {target}", configured)
    except (FlopcalcError, KeyboardInterrupt):
        raise
    except Exception as error:
        import_failed(target, error)


def _read(path: str) -> dict[str, Any]:
    """The fields of a configuration file, or of the one in a folder. Raises FlopcalcError."""
    path = os.path.join(path, _FILE) if os.path.isdir(path) else path
    try:
        fields = json.loads(decode(read_bytes(path, "configuration")))
    except (ValueError, RecursionError) as error:
        why = f"{clip(path)} is not valid JSON: {reason(error)}"
        raise FlopcalcError("bad-configuration", why, f"give the {_FILE} of a model of transformers") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("model_type"), str):
        raise FlopcalcError(
            "bad-configuration",
            f"{clip(path)} is not the configuration of a model: it has no model_type",
            f"give the {_FILE} of a model of transformers",
        )
    return fields


def _classes(library: Any, name: str, target: str, fields: Mapping[str, Any] | None) -> tuple[Any, Any]:
    """The classes of the configuration and of the model. fields: of a configuration file."""
    auto = importlib.import_module("transformers.models.auto.configuration_auto")
    kind = name if fields is None else fields["model_type"]
    if kind in auto.CONFIG_MAPPING_NAMES:
        configuration = auto.CONFIG_MAPPING[kind]
        named = [one for one in (fields or {}).get("architectures") or () if isinstance(one, str)]
        model = _model_class(library, named[0], target) if named else _base_model(library, kind, configuration, target)
        return configuration, model
    if fields is not None:
        near = get_close_matches(kind, auto.CONFIG_MAPPING_NAMES, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "code that comes with a configuration is not run"
        raise FlopcalcError("unknown-attribute", f"transformers has no model type {clip(kind)} ({target})", hint)
    if name in dir(library):
        model = _model_class(library, name, target)
        return model.config_class, model
    known = {*auto.CONFIG_MAPPING_NAMES, *(one for one in dir(library) if one[:1].isupper())}
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(f'hf:{one}' for one in near)}?" if near else f"give {_NAMES}"
    raise FlopcalcError("unknown-attribute", f"transformers has no model {clip(name)}", hint)


def _model_class(library: Any, name: str, target: str) -> Any:
    """The class of this name, which must be a model. Raises FlopcalcError."""
    found = getattr(library, name, None)
    if inspect.isclass(found) and issubclass(found, nn.Module) and getattr(found, "config_class", None) is not None:
        return found
    if found is None:
        why, hint = f"transformers has no model {clip(name)} ({target})", "install a newer transformers"
    else:
        why, hint = f"{target} is not a model of transformers", f"give {_NAMES}"
    raise FlopcalcError("unknown-attribute", why, hint)


def _base_model(library: Any, kind: str, configuration: Any, target: str) -> Any:
    """The model of a type: the one without a head, else one with a head, else the only one in its module."""
    auto = importlib.import_module("transformers.models.auto.modeling_auto")
    names = [one for one in dir(auto) if one.startswith("MODEL_") and one.endswith("_MAPPING_NAMES")]
    tables = [auto.MODEL_MAPPING_NAMES, *(getattr(auto, one) for one in names)]
    for table in tables:
        if isinstance(table, Mapping) and kind in table:
            found = table[kind]
            return _model_class(library, found if isinstance(found, str) else found[0], target)
    module = configuration.__module__.replace(".configuration_", ".modeling_")
    # Some types are only a configuration and a way to prepare inputs.
    members = vars(importlib.import_module(module)) if importlib.util.find_spec(module) else {}
    classes = [
        one
        for one in members.values()
        if inspect.isclass(one) and issubclass(one, nn.Module) and one.__module__ == module
        if getattr(one, "config_class", None) is configuration and not one.__name__.endswith("PreTrainedModel")
    ]
    if len(classes) == 1:
        return classes[0]
    known = ", ".join(f"hf:{one.__name__}" for one in classes if one.__name__ in dir(library))
    why = f"transformers has {'several models' if classes else 'no model'} of the type {clip(kind)}"
    raise FlopcalcError("unknown-attribute", why, f"name one: {known}" if known else f"give {_NAMES}")


def _configured(target: str, configuration: Any, fields: Mapping[str, Any]) -> Any:
    """The configuration with these fields. Raises FlopcalcError where they do not fit."""
    try:
        return configuration.from_dict(dict(fields)) if "model_type" in fields else configuration(**fields)
    except Exception as error:
        if isinstance(error, ImportError):
            raise
        why = f"the configuration of {target} is not valid: {reason(error)}"
        raise FlopcalcError("bad-configuration", why, "check the values of --set and of the file") from error


def _with_settings(
    target: str, configuration: Any, fields: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields with the settings: `num_hidden_layers`, `vision_config.num_hidden_layers`. Raises FlopcalcError."""
    found = dict(fields)
    if not settings:
        return found
    default = _configured(target, configuration, fields)
    for name, value in settings.items():
        _set(target, found, default, name, name.split("."), list(value) if isinstance(value, tuple) else value)
    return found


def _set(target: str, fields: dict[str, Any], default: Any, name: str, path: Sequence[str], value: Any) -> None:
    """Set a field, or that of a configuration inside. default: the configuration without settings."""
    first, *rest = path
    first = getattr(default, "attribute_map", {}).get(first, first)
    known = _fields(default)
    if first not in known:
        near = get_close_matches(first, known, n=3, cutoff=0.6)
        prefix = name.removesuffix(".".join(path))
        hint = f"did you mean {' or '.join(prefix + one for one in near)}?" if near else f"it has: {', '.join(known)}"
        raise FlopcalcError("bad-option", f"the configuration of {target} has no field {clip(name)}", hint)
    inner = getattr(default, first, None)
    is_inside = isinstance(inner, Mapping) or hasattr(inner, "model_type")
    if not rest:
        if is_inside:
            example = next(iter(inner if isinstance(inner, Mapping) else _fields(inner)), "NAME")
            why = f"--set {name}: {first} of {target} holds several fields"
            raise FlopcalcError("bad-option", why, f"set one of them: --set {name}.{example}=...")
        fields[first] = value
        return
    if not is_inside:
        raise FlopcalcError(
            "bad-option", f"--set {name}: {first} of {target} holds no other fields", f"write --set {first}=..."
        )
    if not isinstance(fields.get(first), dict):
        fields[first] = dict(inner) if isinstance(inner, Mapping) else _own_fields(inner)
    if isinstance(inner, Mapping):
        fields[first][".".join(rest)] = value
    else:
        _set(target, fields[first], inner, name, rest, value)


def _own_fields(configuration: Any) -> dict[str, Any]:
    """The fields that differ from the defaults of the class. The others may follow from a field that is set."""
    usual = type(configuration)().to_dict()
    found = {name: value for name, value in configuration.to_dict().items() if usual.get(name, ...) != value}
    return {**found, "model_type": configuration.model_type}


_SETTABLE = ("attn_implementation", "num_labels", "output_attentions", "output_hidden_states", "is_decoder")


def _fields(configuration: Any) -> list[str]:
    """The names of the fields that can be set."""
    own = [name for name in configuration.to_dict() if name not in ("model_type", "transformers_version")]
    return [*own, *(one for one in _SETTABLE if one not in own)]


# Inputs -----------------------------------------------------------------------------------------------

# Inputs of integers, which may be given without a dtype.
_IDS = ("_ids", "mask")
_KINDS = ("input_ids", "pixel_values", "pixel_values_videos", "input_features", "input_values", "decoder_input_ids")


def model_inputs(module: nn.Module, target: str, inputs: Sequence[Input]) -> tuple[tuple[Input, ...], tuple[str, ...]]:
    """The inputs by name, with those that follow from the configuration; and notes on the ones that were added.

    An input by position is the model's main one. Without any, images have the size of the configuration.
    Raises FlopcalcError (missing-input) for a model that needs others.
    """
    takes = list(inspect.signature(module.forward).parameters)
    main = getattr(module, "main_input_name", "input_ids")
    main = main if main in takes else takes[0]
    notes: list[str] = []
    found = _named(module, target, inputs, main, takes) or _default(module, target, main, takes)
    if not inputs:
        notes.append(f"the input is that of the configuration: {', '.join(map(str, found))}")
    names = {one.name for one in found}
    decodes = getattr(module.config, "is_encoder_decoder", False) and "decoder_input_ids" in takes
    if decodes and not names & {"decoder_input_ids", "decoder_inputs_embeds", "labels"}:
        tokens = next((one for one in found if one.name == "input_ids"), None)
        if tokens is None:
            raise FlopcalcError(
                "missing-input",
                f"{target} is an encoder with a decoder, and decoder_input_ids are missing",
                f"add for example --input decoder_input_ids=32:int64 to --input {found[0]}",
            )
        found = (*found, tokens._replace(name="decoder_input_ids"))
        notes.append("decoder_input_ids were added, of the same length as input_ids; --input sets another one")
    return found, tuple(notes)


def _named(
    module: nn.Module, target: str, inputs: Sequence[Input], main: str, takes: Sequence[str]
) -> tuple[Input, ...]:
    unnamed = [one for one in inputs if one.name is None]
    if len(unnamed) > 1 or (unnamed and main in [one.name for one in inputs]):
        raise FlopcalcError(
            "bad-option",
            f"{target} takes one input by position, which is {main}",
            f"name the others: {_example(module, takes)}",
        )
    named = [one._replace(name=one.name or main) for one in inputs]
    return tuple(
        one._replace(dtype="int64") if one.dtype is None and str(one.name).endswith(_IDS) else one for one in named
    )


def _default(module: nn.Module, target: str, main: str, takes: Sequence[str]) -> tuple[Input, ...]:
    image = _image(module.config)
    if main == "pixel_values" and image and "input_ids" not in takes:
        return (Input(image, None, main),)
    raise FlopcalcError(
        "missing-input", f"{target} needs the shape of its input", f"give for example {_example(module, takes)}"
    )


def other_inputs(module: nn.Module, given: Sequence[Input]) -> str:
    """A hint for a forward that fails where inputs that it takes are missing; empty where none is known."""
    takes = list(inspect.signature(module.forward).parameters)
    names = {one.name for one in given}
    missing = [one for one in _KINDS if one in takes and one not in names]
    return f"it may need more inputs, for example {_example(module, takes)}" if missing else ""


def _example(module: nn.Module, takes: Sequence[str]) -> str:
    """The options that name the inputs of a model."""
    image = "x".join(map(str, _image(module.config) or (3, 224, 224)))
    shapes = {"pixel_values": image, "pixel_values_videos": f"16x{image}", "input_features": "80x3000"}
    shapes |= {"input_values": "16000", "input_ids": "128:int64", "decoder_input_ids": "128:int64"}
    kinds = [one for one in _KINDS if one in takes and (one != "decoder_input_ids" or "input_ids" not in takes)]
    if kinds == ["input_ids"]:
        return f"--input {shapes['input_ids']}"
    return " ".join(f"--input {one}={shapes[one]}" for one in kinds) or "--input NAME=SHAPE"


def _image(configuration: Any) -> tuple[int, ...] | None:
    """(channels, height, width) of the images of a configuration, or of its part for images."""
    for one in (configuration, getattr(configuration, "vision_config", None)):
        size, channels = getattr(one, "image_size", None), getattr(one, "num_channels", 3)
        sizes = (size, size) if isinstance(size, int) else size
        if isinstance(sizes, list | tuple) and len(sizes) == 2 and isinstance(channels, int):
            return (channels, *map(int, sizes))
    return None
