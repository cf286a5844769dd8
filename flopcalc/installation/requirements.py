"""The packages that flopcalc uses, with their least versions, and what each one enables.

pyproject.toml has the same requirements; a test compares them.
"""

from typing import NamedTuple


class Package(NamedTuple):
    """A package that flopcalc can use.

    requirement: as pip takes it. module: the name to import, where it is another one. extra: the extra of flopcalc
    that installs it; empty where none does.
    """

    requirement: str
    module: str = ""
    extra: str = ""


class Feature(NamedTuple):
    """What some packages enable. commands: as users write them. needs: names of packages, all of which are needed."""

    commands: str
    text: str
    needs: tuple[str, ...]


# What every command needs.
REQUIRED = (Package("click>=8.1"), Package("rich>=13"), Package("pyyaml>=6", "yaml"))

OPTIONAL = (
    Package("sympy>=1.12", extra="symbolic"),
    Package("numpy>=1.26", extra="sweep"),
    Package("torch>=2.4", extra="torch"),
    Package("scipy>=1.11", extra="solve"),
    Package("pyarrow>=15", extra="parquet"),
    Package("distributed>=2024.1", extra="dask"),
    Package("altair>=5.4", extra="plot"),
    Package("vl-convert-python>=1.6", "vl_convert", "plot"),
    Package("jinja2>=3.1", extra="report"),
    Package("latex2mathml>=3.77", extra="report"),
    Package("pandas>=2"),
    Package("polars>=1"),
    Package("pytest>=8"),
    Package("torchvision"),
    Package("timm"),
    Package("transformers"),
)

# The counters that `explain --run` and `make bench` run, if they are installed.
COUNTERS = (
    Package("fvcore>=0.1.5", extra="peers"),
    Package("ptflops>=0.7.5", extra="peers"),
    Package("torchinfo>=1.8", extra="peers"),
    Package("thop"),
    Package("ultralytics-thop", "thop"),
    Package("calflops"),
    Package("deepspeed"),
    Package("torchprofile"),
)

FEATURES = (
    Feature(
        "layer, compare, model, diff, solve, roofline, memory, explain, check, lock, list, reproduce, errata, cite",
        "costs of operators and described networks",
        ("click", "rich", "pyyaml"),
    ),
    Feature("formula, check --formulas", "closed forms of operators", ("sympy",)),
    Feature("sweep", "all combinations of shapes and options", ("numpy",)),
    Feature("sweep -o FILE.parquet", "sweeps as Parquet files", ("numpy", "pyarrow")),
    Feature("sweep --scheduler", "sweeps on a Dask cluster", ("numpy", "distributed")),
    Feature("solve --choose", "the best operator for each layer", ("scipy",)),
    Feature("model FILE.py:NAME, verify, bench, calibrate", "PyTorch models and layers", ("torch", "numpy")),
    Feature("model torchvision:NAME", "models of torchvision", ("torch", "numpy", "torchvision")),
    Feature("model timm:NAME", "models of timm", ("torch", "numpy", "timm")),
    Feature("model hf:NAME", "models of transformers", ("torch", "numpy", "transformers")),
    Feature("plot", "pictures", ("altair", "vl-convert-python")),
    Feature("report", "a page to send", ("altair", "vl-convert-python", "jinja2", "latex2mathml")),
    Feature("to_pandas()", "results as data frames of pandas", ("pandas",)),
    Feature("to_polars()", "results as data frames of Polars", ("polars",)),
    Feature("assert_cost in pytest", "limits in your own tests", ("pytest",)),
)
