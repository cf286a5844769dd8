"""`flopcalc model`: the largest layers, and names that are longer than their column."""

import json

from helpers import Runner, import_torchvision


def test_top(run: Runner) -> None:
    """The most expensive first, with shares by hand: conv1 of ResNet-50 has 118,013,952 of 4,089,184,256 MACs."""
    data = json.loads(run("model", "resnet50", "--top", "3", "--format", "json").out)
    assert data["top"]["by"] == "layer"
    rows = data["top"]["rows"]
    assert [row["name"] for row in rows] == ["conv1", "layer1.0.conv2", "layer1.1.conv2"]
    assert rows[0]["share"] == 118_013_952 / 4_089_184_256
    assert rows[2]["cumulated"] == (118_013_952 + 2 * 115_605_504) / 4_089_184_256
    assert len(data["layers"]) == 175
    table = run("model", "resnet50", "--top", "3").out
    assert "172 others" in table
    assert max(map(len, table.splitlines())) <= 80
    row = next(line for line in table.splitlines() if line.startswith("conv1 "))
    assert row.split() == ["conv1", "conv", "64x112x112", "9,408", "118,013,952", "2.9%", "2.9%"]
    csv = run("model", "resnet50", "--top", "3", "--format", "csv").out.splitlines()
    assert {"layer", "type", "MACs", "share", "cumulated share", "params", "out"} <= set(csv[0].split(","))
    assert csv[1].startswith("conv1,conv,64x112x112,9408,118013952,0.0288")
    assert len(csv) == 4
    by_type = json.loads(run("model", "resnet50", "--top", "1", "--by", "type", "--format", "json").out)["top"]
    assert (by_type["by"], by_type["rows"][0]["type"], by_type["rows"][0]["cost"]) == ("type", "conv", 4_087_136_256)
    assert len(json.loads(run("model", "resnet50", "--top", "999", "--format", "json").out)["top"]["rows"]) == 175
    folded = json.loads(run("model", "resnet50", "--top", "1", "--convention", "torchinfo", "--format", "json").out)
    assert folded["top"]["rows"][0]["name"] == "conv1"
    for bad in ("0", "-1", "x"):
        assert run("model", "resnet50", "--top", bad).code == 2
    for fmt in ("markdown", "latex", "html"):
        assert "layer2.0.conv2" not in run("model", "resnet50", "--top", "3", "--format", fmt).out


def test_long_names_break_at_their_joints(run: Runner) -> None:
    """Within 80 columns, no letter lost."""
    import_torchvision()
    out = run("model", "torchvision:vit_b_16", "--input", "3x224x224", "--by", "layer").out
    assert max(map(len, out.splitlines())) <= 80
    assert "self_" in out
    joined = "".join(line.split(" ", 1)[0] for line in out.splitlines())
    assert "encoder.layers.encoder_layer_11.self_attention" in joined
