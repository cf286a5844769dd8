"""What is asked about memory: the mode, types of numbers, the optimizer and what is computed again."""

from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.whole import as_int
from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.targets.spec import as_texts

Mode = Literal["inference", "training"]
Optimizer = Literal["none", "sgd", "momentum", "adam", "adamw"]
Rules = Literal["cuda", "cpu"]
MODES: tuple[Mode, ...] = get_args(Mode)
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
RULES: tuple[Rules, ...] = get_args(Rules)
ORDERS = ("given", "best")
HALF = ("float16", "bfloat16")
FLOATS = ("float64", "float32", *HALF)
# Numbers that an optimizer keeps for each parameter.
STATE = {"none": 0, "sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
# Those that its step makes for each parameter and drops again, as torch computes it for all parameters at once.
STEP = {"none": 0, "sgd": 0, "momentum": 0, "adam": 1, "adamw": 1}


class Question(NamedTuple):
    """dtype: of weights and activations; None for that of the module, float32 for a description.

    optimizer_dtype: of its state; None for that of the weights. autocast: the type of products, None without.
    checkpoint: patterns of modules that are computed again in the backward. accumulate: batches of one optimizer
    step. best: whether to search for the best order of the layers. freeze: patterns of layers that are not trained.
    """

    mode: Mode = "inference"
    dtype: str | None = None
    optimizer: Optimizer = "sgd"
    optimizer_dtype: str | None = None
    rules: Rules = "cuda"
    autocast: str | None = None
    checkpoint: tuple[str, ...] = ()
    accumulate: int = 1
    best: bool = False
    freeze: tuple[str, ...] = ()

    @property
    def training(self) -> bool:
        """Whether it is about a forward and a backward."""
        return self.mode == "training"


def question(
    *,
    mode: str = "inference",
    dtype: str | None = None,
    optimizer: str | None = None,
    optimizer_dtype: str | None = None,
    rules: str = "cuda",
    autocast: str | None = None,
    checkpoint: str | Iterable[str] = (),
    accumulate: int | None = None,
    order: str = "given",
    freeze: str | Iterable[str] = (),
) -> Question:
    """The question, checked. Raises FlopcalcError (bad-usage, bad-option, unknown names)."""
    for name, value, known in (
        ("mode", mode, MODES),
        ("dtype", dtype, tuple(DTYPE_BYTES)),
        ("optimizer", optimizer, OPTIMIZERS),
        ("optimizer_dtype", optimizer_dtype, FLOATS),
        ("rules", rules, RULES),
        ("autocast", autocast, HALF),
        ("order", order, ORDERS),
    ):
        if value is not None and not (isinstance(value, str) and value in known):
            raise unknown_name(
                name, value if isinstance(value, str) else clip(value), known, f"one of: {', '.join(known)}"
            )
    patterns = as_texts(checkpoint, "checkpoint", "layer1")
    times = 1 if accumulate is None else as_int(accumulate)
    if times is None or times < 1:
        what = f"accumulate is {clip(accumulate)}; it must be a whole number, 1 or more"
        raise FlopcalcError("bad-option", what, "write for example --accumulate 4")
    if mode != "training":
        given: dict[str, object] = {
            "--optimizer": optimizer,
            "--optimizer-dtype": optimizer_dtype,
            "--autocast": autocast,
            "--checkpoint": patterns,
            "--accumulate": accumulate,
            "--freeze": as_texts(freeze, "freeze", "conv1"),
        }
        for flag, asked in given.items():
            if asked:
                raise FlopcalcError("bad-usage", f"{flag} is about training", "write --mode training")
    elif order == "best":
        raise FlopcalcError("bad-usage", "--order best is about inference", "leave out --mode training")
    if mode == "training" and dtype is not None and dtype not in FLOATS:
        raise FlopcalcError("bad-option", f"{dtype} cannot be trained", f"one of: {', '.join(FLOATS)}")
    if autocast is not None and dtype not in (None, "float32"):
        why = f"autocast keeps weights in float32, and dtype is {dtype}"
        raise FlopcalcError("bad-usage", why, "leave one of the two out")
    return Question(
        mode,  # type: ignore[arg-type]
        dtype,
        optimizer or "sgd",  # type: ignore[arg-type]
        optimizer_dtype,
        rules,  # type: ignore[arg-type]
        autocast,
        patterns,
        times,
        order == "best",
        as_texts(freeze, "freeze", "conv1"),
    )
