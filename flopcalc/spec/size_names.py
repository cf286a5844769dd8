"""Unknown options, many of which are sizes under the names that PyTorch, the command line or other counters use."""

from collections.abc import Iterable, Mapping

from flopcalc.errors import FlopcalcError, clip

# Arguments next to the options, with their flags.
FLAGS_OF_OPERATORS: Mapping[str, str] = {
    "c_in": "--cin",
    "c_out": "--cout",
    "k": "-k",
    "hw": "--hw",
    "stride": "--stride",
    "padding": "--padding",
    "dilation": "--dilation",
    "groups": "--groups",
    "batch": "--batch",
}
FLAGS_OF_NETWORKS: Mapping[str, str] = {"input": "--input", "batch": "--batch"}
# Other names of these arguments; the first one that the target has applies.
_OTHER_NAMES = {
    "c_in": ("cin", "in_channels", "in_features", "in_planes", "channels"),
    "c_out": ("cout", "out_channels", "out_features", "out_planes"),
    "k": ("kernel", "kernel_size", "ksize"),
    "hw": ("h", "w", "height", "width", "size", "image_size", "img_size", "input", "input_size", "resolution"),
    "input": ("hw", "size", "image_size", "img_size", "inputs", "input_size", "shape", "resolution"),
    "stride": ("strides",),
    "padding": ("pad",),
    "groups": ("group",),
    "batch": ("batch_size", "batchsize", "bs"),
}


def unknown_option(
    kind: str, name: str, own: Iterable[str], has: str, arguments: Mapping[str, str] = FLAGS_OF_OPERATORS
) -> FlopcalcError:
    """The error for an option that a target does not have, with the options and arguments that may be meant.

    kind: `option of conv`. own: the options of the target. has: the same in words. arguments: FLAGS_OF_OPERATORS or
    FLAGS_OF_NETWORKS.
    """
    from difflib import get_close_matches

    code, why = f"unknown-{kind.replace(' ', '-')}", f"unknown {kind} {clip(name)}"
    if name in arguments:
        hint = f"{name} is not an option: it is given by itself, {arguments[name]} on the command line; {has}"
        return FlopcalcError(code, why, hint)
    if name == "set":
        return FlopcalcError(code, why, f"each option is a keyword of its own in Python; {has}")
    spelled = {name: name for name in arguments}
    for argument in arguments:
        spelled.update(dict.fromkeys(_OTHER_NAMES.get(argument, ()), argument))
    text = str(name).lower()
    exact = text in spelled
    # An argument is longer known than it is misspelled: a far match is one of an option.
    near = get_close_matches(text, list(own), n=3, cutoff=0.8 if exact else 0.6)
    meant = [text] if exact else get_close_matches(text, list(spelled), n=1, cutoff=0.8)
    near += [f"{spelled[one]} ({arguments[spelled[one]]} on the command line)" for one in meant]
    return FlopcalcError(code, why, f"did you mean {' or '.join(near)}? {has}" if near else has)
