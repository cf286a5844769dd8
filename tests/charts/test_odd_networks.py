"""Pictures of networks with many stages, thin pieces, strange names, and no layers."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from chart_pictures import network, picture, target

import flopcalc
from flopcalc import FlopcalcError, charts
from flopcalc.charts import labels
from flopcalc.charts.files import spec_of

pytest.importorskip("altair")


def _data(chart: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart.to_dict()["datasets"][name]
    return found


def _notes(chart: Any) -> str:
    return " ".join(row["text"] for row in _data(chart, "notes"))


def test_before_and_after_of_many_stages() -> None:
    """No more rows than there is room for: neighbours share one, and nothing is lost."""
    done = target("resnet152", "ghost")
    one, other = (
        replace(found, layers=tuple(layer._replace(stage=layer.name) for layer in found.layers))
        for found in (done.plain, done.network)
    )
    rows = _data(charts.replacement(one, other), "bars")
    names = list(dict.fromkeys(row["name"] for row in rows))
    assert len(names) == 24
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


def test_each_piece_with_room_has_a_name_or_the_letter_of_the_key() -> None:
    """25 stages of five networks at the width of a column: in grey their shades are much alike."""
    names = ("squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x1_0", "efficientnet_b0", "regnet_y_400mf")
    spec = spec_of(charts.cost_by_stage({name: network(name) for name in names}), 84)
    key = {row["series"]: row["text"] for row in spec["datasets"]["key"]}
    letters = [text.partition(":")[0] for text in key.values()]
    assert letters == [chr(ord("a") + place) for place in range(len(letters))]
    across = spec["width"] / spec["layer"][0]["encoding"]["x"]["scale"]["domain"][1]
    for row in spec["datasets"]["stages"]:
        assert row["label"] in (row["series"], key[row["series"]].partition(":")[0])
        assert row["shown"] or (row["end"] - row["start"]) * across < 14
    assert spec["layer"][1]["encoding"]["text"]["field"] == "label"


def test_the_key_has_no_letters_where_all_names_fit() -> None:
    """And none is left from a narrower layout."""
    chart = charts.cost_by_stage(network("yolov8"))
    assert [row["text"] for row in _data(chart, "key")] == ["backbone", "neck", "head"]
    texts = [[row["text"] for row in spec_of(chart, width)["datasets"]["key"]] for width in (40, 170)]
    assert texts == [["a: backbone", "b: neck", "c: head"], ["backbone", "neck", "head"]]


def test_the_letters_after_z() -> None:
    """As in the columns of a spreadsheet."""
    found = [labels._letter(place) for place in (0, 25, 26, 51, 52, 701, 702)]
    assert found == ["a", "z", "aa", "az", "ba", "zz", "aaa"]


def test_a_note_names_stages_without_a_cost_once() -> None:
    """The network is named only where there are several, and not once for each stage."""
    plain = network("resnet18")
    free = [layer for layer in plain.layers if not layer.cost.macs][:8]
    one = replace(plain, layers=tuple(layer._replace(stage=f"s{place}") for place, layer in enumerate(free)))
    assert "Stages without a cost: s0, s1, s2, s3, s4, s5 and 2 more." in _notes(charts.cost_by_stage(one))
    both = charts.cost_by_stage({"A": one, "B": plain})
    assert "Stages without a cost: s0, s1, s2, s3, s4, s5 and 2 more of A." in _notes(both)


def test_counts_have_no_ticks_between_whole_numbers() -> None:
    """A network without MACs had an axis from 0 to 1 in fifths of a MAC."""
    chart = charts.cost_by_stage(network("resnet18")).to_dict()
    assert chart["layer"][0]["encoding"]["x"]["axis"]["tickMinStep"] == 1


def test_points_of_many_equal_layers_are_as_large_as_others() -> None:
    """1,202 layers of a CIFAR network are at 14 places: points of 3 pixels hid their shapes."""
    rows = _data(charts.roofline(flopcalc.roofline("resnet1202_cifar", device="h100")), "layers")
    assert max(row["area"] for row in rows) == pytest.approx(280)
    least = min(row["seconds"] for row in rows)
    scale = {round(row["area"] / row["seconds"]) for row in rows if row["area"] > 10}
    assert len(scale) == 1, f"the area is the time, from {least} s on"


def test_ticks_of_many_stretches_are_not_a_band() -> None:
    """A Sequential of 1,000 layers: one tick for each made a black band under the axis."""
    memory = flopcalc.memory("resnet1202_cifar")
    chart = charts.memory_by_layer(
        replace(memory, layers=tuple(x._replace(name=str(place)) for place, x in enumerate(memory.layers)))
    )
    spec = spec_of(chart, 84)
    across = spec["width"] / len(memory.layers)
    shown = [row["x"] * across for row in spec["datasets"]["bounds"] if row["shown"]]
    assert len(shown) > 20
    assert min(after - before for before, after in pairwise(shown)) >= 3
    layer = next(one for one in spec["layer"] if one["data"] == {"name": "bounds"})
    assert layer["transform"] == [{"filter": "datum.shown"}]


def test_a_long_title_is_in_lines() -> None:
    """It made the picture wider than asked for, so that everything was scaled down."""
    title = "A long title for the picture of AlexNet and its cost, which does not fit into one line"
    chart = charts.cost_by_stage(network("alexnet"), title=title)
    assert spec_of(chart, 170)["title"]["text"] == title
    narrow = spec_of(chart, 60)
    assert " ".join(narrow["title"]["text"]) == title
    assert len(narrow["title"]["text"]) > 1
    assert narrow["width"] > 120
    chart["title"] = {"text": "Changed"}
    assert spec_of(chart, 60)["title"]["text"] == "Changed"


def test_a_front_of_one_row_has_no_line_in_the_key() -> None:
    """There is none in the picture."""
    one, more = (charts.front(flopcalc.sweep("conv", c_in=sizes), "macs", "-c_out") for sizes in ("64", "16:64:16"))
    assert "Pareto front" not in {row["series"] for row in _data(one, "key")}
    assert "Pareto front" in {row["series"] for row in _data(more, "key")}


def test_labels_of_log_axes_are_left_out_only_where_they_have_no_room() -> None:
    """Every other one was left out: 16, 48, 80, 112 of 16 to 128, with room for 32 and 64."""
    axis = charts.cost_by_size(flopcalc.sweep("conv", c_in="16:128:16")).to_dict()["layer"][0]["encoding"]["x"]["axis"]
    assert axis["labelOverlap"] == "greedy"
