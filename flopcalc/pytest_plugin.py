"""The pytest plugin: the fixture `flopcalc` and `--flopcalc-update`. Imports nothing else until a test uses it."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flopcalc.testing import Costs


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--flopcalc-update`."""
    group = parser.getgroup("flopcalc", "costs of models (flopcalc)")
    group.addoption("--flopcalc-update", action="store_true", help="write the snapshots in __flopcalc__ again")


@pytest.fixture
def flopcalc(request: pytest.FixtureRequest) -> "Costs":
    """Assertions about costs: assert_cost(model, input_shape, macs="<= 300M"), assert_unchanged(model, input_shape)."""
    from flopcalc.testing import Costs

    test = request.node.nodeid.partition("::")[2] or request.node.name
    update = bool(request.config.getoption("--flopcalc-update"))
    return Costs(str(request.path), test, update, str(request.config.rootpath))
