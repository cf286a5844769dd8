"""`flopcalc layer`: what it shows beyond the cost."""

import json

from helpers import Runner


def test_explain_channel(run: Runner) -> None:
    """The neighbourhood of channel 13 on a 6 x 5 torus, as data and as a picture; --cin follows from dims."""
    command = ("layer", "--type", "topological", "--set", "dims=6,5", "--explain-channel", "13")
    done = run(*command, "--format", "json")
    record = json.loads(done.out)
    assert record["inputs"]["cin"] == 30
    assert record["explained_channel"] == {
        "channel": 13,
        "inputs": [13, 14, 10, 18, 19, 15, 23, 24, 20],
        "place": [2, 3],
        "torus": [6, 5],
        "neighbourhood": [3, 3],
        "places": [[2, 3], [2, 4], [2, 0], [3, 3], [3, 4], [3, 0], [4, 3], [4, 4], [4, 0]],
    }
    text = run(*command).out
    assert "9 of 30 input channels: 13, 14, 10, 18, 19, 15, 23, 24, 20" in text
    assert "[10]  11   12  [13] [14]" in text
    assert "explained_channel" not in json.loads(run("layer", "topological", "--cin", "30", "--format", "json").out)


def test_explain_channel_refuses(run: Runner) -> None:
    """A channel that does not exist, an operator without a map, and no channels at all."""
    for arguments, message in (
        (("conv", "--cin", "8", "--explain-channel", "8"), "channel 8 is not an output channel: the layer has 8"),
        (("ghost", "--cin", "8", "--explain-channel", "0"), "ghost has no map of its channels"),
        (("topological", "--explain-channel", "0"), "missing option '--cin'"),
    ):
        done = run("layer", *arguments)
        assert done.code == 2
        assert message in done.err


def test_equations_are_for_one_sample(run: Runner) -> None:
    """b (n k^2 + n^2) h w of SIC: 2 * (64 * 9 + 64 * 64) * 56 * 56 = 29,302,784, in a batch as well, which says so."""
    alone, batch = (run("layer", "sic", "--cin", "64", "--set", "b=2", "--batch", number).out for number in "13")
    assert "29,302,784" in alone
    assert "29,302,784" in batch
    assert "for each sample" not in alone
    assert "arXiv 1608.04337, for each sample" in batch
