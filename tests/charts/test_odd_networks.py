"""Pictures of networks with many stages, thin pieces, strange names, and no layers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chart_pictures import network, picture, target

import flopcalc
from flopcalc import FlopcalcError, charts

pytest.importorskip("altair")


def _data(chart: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart.to_dict()["datasets"][name]
    return found


def test_before_and_after_of_many_stages() -> None:
    """No more rows than there is room for: neighbours share one, and nothing is lost."""
    done = target("resnet152", "ghost")
    one, other = (
        replace(found, layers=tuple(layer._replace(stage=layer.name) for layer in found.layers))
        for found in (done.plain, done.network)
    )
    rows = _data(charts.replacement(one, other), "bars")
    names = list(dict.fromkeys(row["name"] for row in rows))
    assert len(names) == 40
    assert any(" to " in name for name in names)
    for side, found in (("before", one), ("after", other)):
        assert sum(row["amount"] for row in rows if row["side"] == side) == found.macs


@pytest.mark.parametrize("name", ["stage", "replacement"])
def test_thin_pieces_have_no_seams(name: str) -> None:
    """A light line around a piece of a pixel hides it."""
    chart = picture(name).to_dict(validate=False)
    width = chart["layer"][0]["encoding"]["strokeWidth"]
    high = chart["layer"][0]["encoding"]["x"]["scale"]["domain"][1]
    assert width["value"] == 0
    assert width["condition"]["value"] > 0
    assert width["condition"]["test"] == f"(datum.end - datum.start) / {high} * width > 3"
    assert "strokeWidth" not in chart["layer"][0]["mark"]


def test_the_bar_of_a_small_network_next_to_a_large_one_is_seen(tmp_path: Path) -> None:
    """300 million MACs next to 15 billion, at the width of a column: a bar of 5 pixels with the colours of 7 stages."""
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("vl_convert")
    chart = charts.cost_by_stage({name: network(name) for name in ("mobilenet_v2", "vgg16")})
    path = tmp_path / "figure.png"
    charts.save(chart, path, 84, ppi=288)
    with image.open(path) as found:
        saturation = found.convert("HSV").split()[1]
    # The upper bar is 5 x 22 pixels of 96 to the inch.
    histogram = saturation.crop((0, 0, saturation.width, 90)).histogram()
    assert sum(histogram[80:]) > 200


def test_names_of_modules_are_one_line_without_control_characters() -> None:
    """Modules may have any name; a line break would move the texts below, and a mark of direction turn the text round.

    In pictures by stage, by layer, of memory and of a roofline.
    """
    bad, shown = "new\nline \u202eturned", "new line \\u202eturned"
    done = target("resnet18", "ghost")
    one, other = (
        replace(found, layers=tuple(layer._replace(name=bad + layer.name, stage=bad) for layer in found.layers))
        for found in (done.plain, done.network)
    )
    memory = flopcalc.memory("resnet18")
    roofline = flopcalc.roofline("resnet18", device="h100")
    layers = tuple(x._replace(name=bad + x.name) for x in roofline.time.layers)
    for chart in (
        charts.cost_by_stage(one),
        charts.replacement(one, other),
        charts.replacement(one, other, by="layer"),
        charts.memory_by_layer(replace(memory, layers=tuple(x._replace(name=bad + x.name) for x in memory.layers))),
        charts.roofline(replace(roofline, time=roofline.time._replace(layers=layers))),
    ):
        text = json.dumps(chart.to_dict(validate=False)["datasets"], ensure_ascii=False)
        assert "\u202e" not in text
        assert json.dumps(shown)[1:-1] in text


def test_a_network_without_layers_is_no_picture() -> None:
    empty = replace(network("resnet18"), layers=())
    with pytest.raises(FlopcalcError, match="resnet18 has no layers"):
        charts.cost_by_stage(empty)
    with pytest.raises(FlopcalcError, match="resnet18 has no layers"):
        charts.replacement(empty, empty)
