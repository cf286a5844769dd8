"""Writing the file of a device, as `library` reads it."""

from collections.abc import Iterator, Mapping

from flopcalc.analysis.timing.device import DTYPES, Device, Efficiency


def device_text(device: Device, comment: str) -> str:
    """The YAML file of a device, with peaks in FLOP/s. comment: its first line."""
    lines = [f"# {comment}", f"name: {_quoted(device.name)}", f"title: {_quoted(device.title)}", f"kind: {device.kind}"]
    lines += [f"units: {device.units}"]
    lines += [f"clock: {exact(device.clock)}"] if device.clock else []
    lines += ["# FLOP/s, dense.", "peaks:", *(f"  {name}: {exact(peak)}" for name, peak in device.peaks.items())]
    lines.append(f"bandwidth: {exact(device.bandwidth)}")
    lines += [f"{key}: {exact(value)}" for key, value in (("memory", device.memory), ("cache", device.cache)) if value]
    if device.sources:
        lines += ["sources:", *(f"  {key}: {_quoted(text)}" for key, text in device.sources.items())]
    if device.unverified:
        lines.append(f"unverified: [{', '.join(map(_quoted, device.unverified))}]")
    return "\n".join([*lines, *efficiency_lines(device.efficiency)]) + "\n"


def efficiency_lines(efficiency: Efficiency) -> Iterator[str]:
    """The section `efficiency` of a file."""
    yield "efficiency:"
    if efficiency.like:
        yield f"  like: {efficiency.like}"
    yield f"  fitted_on: {_quoted(efficiency.source)}"
    for key in ("launch", "start"):
        yield f"  {key}: {_mapping({name: one for name, one in getattr(efficiency, key).items() if one})}"
    yield f"  cache: {short(efficiency.cache)}"
    if efficiency.kept:
        yield f"  kept: {_mapping(efficiency.kept)}"
    for dtype in DTYPES:
        if dtype not in efficiency.by_dtype:
            continue
        rates = efficiency.by_dtype[dtype]
        yield f"  {dtype}:"
        defaults = rates._field_defaults
        for key, value in rates._asdict().items():
            if isinstance(value, Mapping):
                yield f"    {key}: {_mapping(value)}"
            elif key not in defaults or short(value) != short(defaults[key]):
                yield f"    {key}: {short(value)}"


def _mapping(values: Mapping[str, float]) -> str:
    return "{" + ", ".join(f"{name}: {short(value)}" for name, value in values.items()) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{" ".join(escaped.split())}"'


def short(value: float) -> str:
    """Three digits, as YAML reads a number."""
    return _with_point(f"{value:.3g}")


def exact(value: float) -> str:
    """All digits, as YAML reads a number."""
    return _with_point(f"{value:.17g}" if float(f"{value:.9g}") != value else f"{value:.9g}")


def _with_point(text: str) -> str:
    return text if "e" not in text or "." in text else text.replace("e", ".0e")
