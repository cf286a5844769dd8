"""Which convolutions of a network each operator replaces: what its text says is what its function does."""

import re
from collections.abc import Callable, Iterator
from itertools import product

import pytest
from helpers import for_author

from flopcalc import FlopcalcError, layer
from flopcalc.catalog import lookup
from flopcalc.spec.operator import Operator, Site

# Words of the texts, and what they ask of a convolution. Each takes its words off, so that none is left unread.
WORDS: tuple[tuple[str, Callable[[Site], bool]], ...] = (
    (r"every 3x3 convolution", lambda site: site.geometry.kernel == (3, 3)),
    (r"every 1x1 convolution", lambda site: site.geometry.kernel == (1, 1)),
    (r"every depthwise convolution", lambda site: site.geometry.groups == site.geometry.c_in == site.geometry.c_out),
    (r"every convolution", lambda site: True),
    (r"(with a kernel )?larger than 1x1", lambda site: site.geometry.kernel != (1, 1)),
    (r"1x1 included", lambda site: True),
    (r"(with )?as many channels out as in", lambda site: site.geometry.c_in == site.geometry.c_out),
    (r"(and |at )?(stride 1|without stride)", lambda site: site.geometry.stride == (1, 1)),
    (r"without groups", lambda site: site.geometry.groups == 1),
    (r"that has groups", lambda site: site.geometry.groups > 1),
    (r"that is dilated", lambda site: site.geometry.dilation != (1, 1)),
    (
        r"where k divides h and w",
        lambda site: site.geometry.h % site.geometry.k_h == site.geometry.w % site.geometry.k_w == 0,
    ),
    (r"except a strided first one", lambda site: not (site.first and site.geometry.strided)),
    (r"(except|but) the first(; the classifier also stays)?", lambda site: not site.first),
)
# Decided by the other layers of the network.
BY_ITS_NETWORK = {"octconv"}


def _sites() -> Iterator[Site]:
    for k, stride, dilation, groups, c_out, first in product((1, 3, 5), (1, 2), (1, 2), (1, 4, 48), (48, 96), (0, 1)):
        for hw in (15, 16):
            shape = layer("conv", 48, c_out, k=k, hw=hw, stride=stride, dilation=dilation, groups=groups).geometry
            yield Site("conv", shape, bool(first))


SITES = tuple(_sites())


def _asked(operator: Operator) -> list[Callable[[Site], bool]]:
    left, found = operator.policy.text, []
    for words, condition in WORDS:
        shorter = re.sub(words, "", left)
        if shorter != left:
            left = shorter
            found.append(condition)
    assert not re.sub(r"[ ,]|\band\b", "", left), for_author(
        operator.name, f"say here what `{left.strip(' ,')}` in the text of its policy means"
    )
    return found


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_the_text_is_the_policy(operator: Operator) -> None:
    """On convolutions of all kinds, and with a reason of a few words."""
    if operator.name in BY_ITS_NETWORK:
        return
    never = operator.policy.text.startswith("no convolution")
    asked = [] if never else _asked(operator)
    for site in SITES:
        why = operator.policy.refuses(site)
        replaced = not never and all(condition(site) for condition in asked)
        # What the text leaves out may also be refused by a rule.
        taken = why is None and (replaced or _applies(operator, site))
        assert taken == replaced, for_author(
            operator.name,
            f"its policy says `{operator.policy.text}`, and {'refuses' if replaced else 'takes'} "
            f"{'the first convolution, ' if site.first else ''}{site.geometry}; correct the text or `refuses`",
        )
        assert why != "", for_author(operator.name, "say in words why a convolution stays")


def _applies(operator: Operator, site: Site) -> bool:
    try:
        operator.evaluate(site.geometry)
    except FlopcalcError:
        return False
    return True


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_the_default_policy_is_meant(operator: Operator) -> None:
    """A record without one replaces every convolution, as only the plain convolution can."""
    assert (operator.policy.text == "every convolution") == (operator.name == "conv"), for_author(
        operator.name, "give it a `policy`: the convolutions that its paper replaced"
    )
