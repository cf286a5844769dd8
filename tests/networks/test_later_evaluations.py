"""A description that was read once, at other sizes: what the first reading decided holds there, or it is read again."""

from fractions import Fraction
from typing import Any

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.analysis.closed_forms import network_form
from flopcalc.cost.kinds import KINDS
from flopcalc.networks import description, library, reader
from flopcalc.targets.spec import from_texts


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


def test_a_closed_form_after_other_evaluations(write_network: WriteNetwork) -> None:
    """All sizes have one form: the first padding is there at odd sizes only, and the other copies its map always.

    The pooling needs 4 rows of a map of 2 * ceil(H / 4), so that H is 5 or more.
    """
    path = write_network(
        "input: [4, 8, 8]\nlayers:\n"
        "  - even: {op: pad, multiple: 2, when: h % 2 != 0 or w % 2 != 0}\n"
        "  - half: {op: conv, out: 8, k: 2, stride: 2, padding: 0}\n"
        "  - again: {op: pad, multiple: 2}\n"
        "  - pool: {op: maxpool, k: 4, stride: 1}\n"
    )
    one = library.compiled(path)
    nets = {(n, h, w): one.at({}, (4, h, w), n) for n, h, w in ((1, 8, 8), (2, 7, 8), (1, 8, 9), (3, 5, 5), (1, 8, 8))}
    assert [len(net.layers) for net in nets.values()] == [3, 4, 4, 4]
    form = network_form(from_texts(path))
    assert [(one.condition, one.why) for one in form.requirements] == [("H >= 5", "pool"), ("W >= 5", "pool")]
    for (n, h, w), net in nets.items():
        assert form.at({"N": n, "H": h, "W": w}) == {kind: net.total(kind) for kind in KINDS}


@pytest.mark.parametrize(
    ("layers", "requirements"),
    [
        # A condition that is the same at all sizes, and one that is not that of the sizes which the layer changes.
        ("a: {op: pad, amount: 1, when: padded}", []),
        ("a: {op: pad, amount: 1, when: not padded}", []),
        ("a: {op: pad, multiple: 4, when: 'true'}", []),
        ("a: {op: pad, amount: 1, when: h > 6}", ["H >= 7"]),
        ("a: {op: pad, channels: [0, 4], when: c < n}", ["n >= 5"]),
        ("a: {op: upsample_bilinear, when: h < n}", ["n > H"]),
        ("a: {op: pad, multiple: 3, when: w % 2 == 0}", None),
        ("a: {op: pad, multiple: 2, when: h > 6}", ["H >= 7"]),
        # At 3 it is not there, and would change the size. At a smaller n there are fewer layers, of the same condition.
        ("a: {op: pad, multiple: 2, when: h % 2 and h > 3}", ["H % 2 == 0"]),
        ("a: {op: pad, multiple: 2, when: h % 2 == 1 and h != 5}", ["H % 2 == 0"]),
        (
            "a: {repeat: n - 6, layers: [b: {op: pad, multiple: 2, when: h % 2 == 1 or w % 2 == 1}, y: {op: relu}]}",
            ["n >= 6"],
        ),
        # Windows of pooling, and numbers of repetitions.
        ("a: {op: maxpool, k: n // 2, stride: 1}", None),
        ("a: {op: relu, repeat: h - 3}", ["H >= 3"]),
        ("a: {op: relu, repeat: 'max(1, n - 3)'}", ["n >= 4"]),
    ],
)
def test_closed_forms_of_layers_that_sizes_decide(
    write_network: WriteNetwork, layers: str, requirements: list[str] | None
) -> None:
    """Where its conditions hold, a form has the costs of the description; elsewhere it says that it does not hold."""
    path = write_network(
        "input: [4, 8, 8]\noptions: {padded: {default: false}, n: {default: 9}}\nlayers:\n"
        f"  - {layers}\n  - z: {{op: conv, out: 2}}\n"
    )
    one = library.compiled(path)
    form = network_form(from_texts(path), ("height", "width", "n"))
    if requirements is not None:
        assert [one.condition for one in form.requirements] == requirements
    met = 0
    for h, w, n in ((8, 8, 9), (7, 9, 9), (3, 8, 12), (4, 5, 2), (2, 2, 9), (12, 9, 8), (6, 8, 3)):
        point = {"H": h, "W": w, "n": n}
        if form.allows(point):
            net = one.at({"n": n}, (4, h, w))
            assert form.at(point) == {kind: net.total(kind) for kind in KINDS}
            met += 1
    assert met >= 2


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


def test_what_it_says_of_its_options(write_network: WriteNetwork) -> None:
    """The choices of an option, and the numbers that options have, with the least that each can have."""
    one = library.compiled(write_network("input: [4, 8, 8]\nlayers:\n  - a: relu\n"))
    assert (one.choices("n"), one.numeric(one.at()), one.declared()) == ((), {}, {})
    declared = (
        "{n: {default: 3}, least: {default: 2, least: 0}, part: {default: 0.5}, blocks: {default: [1, 2]}, "
        "flag: {default: true}, act: {default: relu, choices: [relu, gelu]}, size: {default: 1, choices: [1, 2]}}"
    )
    one = library.compiled(write_network(f"input: [4, 8, 8]\noptions: {declared}\nlayers:\n  - a: relu\n"))
    assert [one.choices(name) for name in ("act", "size", "n", "other")] == [("relu", "gelu"), (1, 2), (), ()]
    numbers = {"n": (3, 1), "least": (2, 0), "part": (Fraction(1, 2), 1), "blocks": ((1, 2), 1)}
    assert one.numeric(one.at()) == numbers
    assert one.numeric(one.at({"n": 4, "blocks": [5]})) == {**numbers, "n": (4, 1), "blocks": ((5,), 1)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("blocks: 3", "line 2: blocks is a mapping from names to blocks"),
        ("reference: [{params: 1}, 3]", "line 2: reference is [{'params': 1}, 3], not a list of mappings"),
    ],
)
def test_a_top_level_that_is_refused(write_network: WriteNetwork, text: str, message: str) -> None:
    """Also what no layer uses."""
    with pytest.raises(FlopcalcError) as caught:
        network(write_network(f"input: [4, 8, 8]\n{text}\nlayers:\n  - a: relu\n"))
    assert caught.value.message.endswith(message)
