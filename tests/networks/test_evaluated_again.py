"""A description that was read once, at other sizes: what the first reading decided holds there, or it is read again."""

from typing import Any

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.networks import description, library, reader


@pytest.mark.parametrize("size", ["{}", "[{}, 1]"])
def test_a_size_that_is_wrong_at_other_options(write_network: WriteNetwork, size: str) -> None:
    """A half, and true in the place of 1, also where another layer has the right value there."""
    of_a, of_b = size.format("n - 7 if n > 7 else 1"), size.format("n - 3 if n < 6 else n > 4")
    text = (
        "input: [4, 8, 8]\noptions: {n: {default: 4}}\nlayers:\n"
        f"  - a: {{op: conv, k: {of_a}}}\n  - b: {{op: conv, k: {of_b}}}\n  - c: {{op: conv, out: n / 2, k: 1}}\n"
    )
    one = library.compiled(write_network(text))
    for _ in range(2):
        assert one.at().params == 16 + 16 + 8
        with pytest.raises(FlopcalcError, match=r"line 6: layer c: out is 2\.5, not a whole number"):
            one.at({"n": 5})
        with pytest.raises(FlopcalcError, match="line 5: layer b: k is True, not a whole number"):
            one.at({"n": 8})


def test_layers_that_share_weights_at_some_options_only(write_network: WriteNetwork) -> None:
    """Norms without weights share none: a scale and a shift for each of 4 channels, once, where there are some."""
    text = (
        "input: [4, 8, 8]\noptions: {affine: {default: false}}\nlayers:\n"
        "  - a: {op: instancenorm, affine: affine}\n"
        "  - b: {op: instancenorm, affine: affine, weights_of: a}\n"
    )
    one = library.compiled(write_network(text))
    for _ in range(2):
        for affine in (False, True):
            net = one.at({"affine": affine})
            assert net.params == 8 * affine
            assert net.layers[1].weights_of == ("a" if affine else "")


def test_a_title_with_braces_that_hold_no_value(write_network: WriteNetwork) -> None:
    """Plain text there, and a value at options where they have one."""
    text = "input: [4, 8, 8]\noptions: {n: {default: 4}}\ntitle: '{12 // (n - 4)} parts'\nlayers:\n  - a: relu\n"
    one = library.compiled(write_network(text))
    for _ in range(2):
        assert one.at().title == "{12 // (n - 4)} parts"
        assert one.at({"n": 6}).title == "6 parts; n 6"


def test_what_was_used_last_is_kept(write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more structures than are kept, that which was not used for the longest time goes."""
    text = "input: [4, 8, 8]\noptions: {n: {default: 1}}\nlayers:\n  - a: {op: relu, repeat: n}\n"
    one = library.compiled(write_network(text))
    most = description.MAX_PLANS
    for n in (*range(1, most + 1), 1, most + 1):
        one.at({"n": n})
    read, read_again = reader.Reader.read, []

    def noted(self: Any, data: Any) -> str:
        read_again.append(self.tape.options["n"].value)
        return read(self, data)

    monkeypatch.setattr(reader.Reader, "read", noted)
    for n in (1, *range(3, most + 2)):
        assert len(one.at({"n": n}).layers) == n
    assert read_again == []
    assert len(one.at({"n": 2}).layers) == 2
    assert read_again == [2]


def test_the_batch(write_network: WriteNetwork) -> None:
    """A whole number from 1, which is the default, to 10^9."""
    one = library.compiled(write_network("input: [4, 8, 8]\nlayers:\n  - a: relu\n"))
    assert [one.at().batch, one.at(batch=10**9).batch] == [1, 10**9]
    for batch in (0, 10**9 + 1, 1.5, "2"):
        with pytest.raises(FlopcalcError, match=r"batch is .*, not a whole number from 1 to 10\^9"):
            one.at(batch=batch)  # type: ignore[arg-type]


def test_what_a_description_says_of_itself(write_network: WriteNetwork) -> None:
    """Its path is the source of errors, whatever publication it names; all but the layers may be left out."""
    path = write_network("input: [4, 8, 8]\nlayers:\n  - a: relu\n")
    net = network(path)
    assert (net.name, net.title, net.source, net.mirrors, net.calls) == ("net", "net", path, "", {})
    # A step of its tape and a layer of its structure.
    assert library.compiled(path).size == 2
    write_network(
        "name: a  b\ntitle: T\nmirrors: m\ncalls: {a: mean}\nsource: paper\ninput: [4, 8, 8]\nlayers:\n  - a: relu\n"
    )
    net = network(path)
    assert (net.name, net.title, net.source, net.mirrors, net.calls) == ("a b", "T", path, "m", {"a": "mean"})
