"""What a convolution operator or a network costs, by formula, by algebra and by count.

>>> import flopcalc
>>> flopcalc.layer("ghost", 64).macs
58705920
>>> flopcalc.network("resnet50").params
25557032

`layer` and `network` need nothing but PyYAML. `sweep` needs NumPy. `count` and `replace` work on real modules and need
PyTorch.
All results offer the same kinds of cost: params, macs, flops, activations, traffic, steps, adds, muls, other.
Names are loaded on first use, so that `import flopcalc` stays light.
"""

# As in `typing`, whose import takes longer than all of this file: in the program, Ctrl-C is not quiet before it ends.
TYPE_CHECKING = False

__version__ = "0.1.0"

__all__ = [
    "Bench",
    "Cost",
    "Evaluation",
    "FlopcalcError",
    "Memory",
    "Network",
    "Roofline",
    "Solution",
    "Sweep",
    "Training",
    "__version__",
    "bench",
    "count",
    "formula",
    "layer",
    "memory",
    "network",
    "progress",
    "register_kernel",
    "replace",
    "roofline",
    "solve",
    "sweep",
    "training",
]

if TYPE_CHECKING:
    from flopcalc.analysis.bench import Bench, bench
    from flopcalc.analysis.formula import formula
    from flopcalc.analysis.memory.memory import memory
    from flopcalc.analysis.memory.record import Memory
    from flopcalc.analysis.roofline import Roofline, roofline
    from flopcalc.analysis.solving.solution import Solution
    from flopcalc.analysis.solving.solve import solve
    from flopcalc.analysis.sweep import Sweep, sweep
    from flopcalc.analysis.training.training import Training, training
    from flopcalc.catalog.kernels import register_kernel
    from flopcalc.catalog.layer import layer
    from flopcalc.cost.cost import Cost
    from flopcalc.errors import FlopcalcError
    from flopcalc.networks.library import network
    from flopcalc.networks.network import Network
    from flopcalc.networks.progress_bar import progress
    from flopcalc.spec.operator import Evaluation
    from flopcalc.targets.module import count, replace
else:
    _HOME = {
        "Bench": "flopcalc.analysis.bench",
        "Cost": "flopcalc.cost.cost",
        "Evaluation": "flopcalc.spec.operator",
        "FlopcalcError": "flopcalc.errors",
        "Memory": "flopcalc.analysis.memory.record",
        "Network": "flopcalc.networks.network",
        "Roofline": "flopcalc.analysis.roofline",
        "Solution": "flopcalc.analysis.solving.solution",
        "Sweep": "flopcalc.analysis.sweep",
        "Training": "flopcalc.analysis.training.training",
        "bench": "flopcalc.analysis.bench",
        "count": "flopcalc.targets.module",
        "formula": "flopcalc.analysis.formula",
        "layer": "flopcalc.catalog.layer",
        "memory": "flopcalc.analysis.memory.memory",
        "network": "flopcalc.networks.library",
        "progress": "flopcalc.networks.progress_bar",
        "register_kernel": "flopcalc.catalog.kernels",
        "replace": "flopcalc.targets.module",
        "roofline": "flopcalc.analysis.roofline",
        "solve": "flopcalc.analysis.solving.solve",
        "sweep": "flopcalc.analysis.sweep",
        "training": "flopcalc.analysis.training.training",
    }

    def __getattr__(name):
        from importlib import import_module

        if name not in _HOME:
            raise AttributeError(f"module 'flopcalc' has no attribute {name!r}")
        return getattr(import_module(_HOME[name]), name)

    def __dir__():
        return list(__all__)

    def _results():
        # For the results, which are in rooms below `report`; see flopcalc/cost/result.py.
        from flopcalc.report import results

        return results
