"""What `flopcalc compare` says about its ratios."""

from helpers import Runner


def test_what_the_ratios_are_to(run: Runner) -> None:
    """The title and the facts name the baseline where it is not the plain convolution of the row's shape."""
    assert run("compare", "conv", "ghost", "--cin", "64").out.startswith(
        "64->64 3x3 56x56: ratios to the plain convolution\n"
    )
    recurrent = run("compare", "lstm", "gru", "--cin", "64").out
    assert recurrent.startswith("64->64 1x1 1x56: ratios to a linear layer\n")
    mixed = run("compare", "conv", "cbam", "--cin", "64").out
    assert "  ratio       of conv: to the plain convolution; of cbam: to a 3x3 convolution\n" in mixed
    assert "plain convolution of the row's own shape" not in mixed
