"""The program `flopcalc`, and `python -m flopcalc`. Imports nothing before Ctrl-C is quiet."""

# Built in, so that its import takes no time.
import sys


def run() -> None:
    """Entry point of the installed script: run the command line and end the process with its exit code.

    Ctrl-C ends the process without a traceback at any time: by the default action of the signal while modules are
    imported, and with exit code 130 while a command runs. A request to end (SIGTERM) does the same, with exit code
    143, so that temporary files go. Importing flopcalc as a library changes no handler.
    """
    # The built-in module behind `signal`, which would import enum first.
    signal = sys.modules["_signal"]
    handler = signal.getsignal(signal.SIGINT)
    # A parent that ignores Ctrl-C (nohup) is left alone.
    ours = handler is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    import gc

    # A short process makes little garbage, and looking for it while modules load takes 5% of the start-up.
    gc.set_threshold(100_000)
    from flopcalc.cli.main import REQUESTS, main, open_streams

    open_streams()
    sys.unraisablehook = _unraisable

    def end(number: int, frame: object) -> None:
        REQUESTS.append(number)
        raise KeyboardInterrupt

    try:
        if ours:
            signal.signal(signal.SIGINT, end)
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, end)
        code = main()
        if ours:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:
        code = 130
    if signal.SIGTERM in REQUESTS:
        code = 128 + signal.SIGTERM
    # What the code of a model prints when the process ends is no part of the output.
    sys.stdout = sys.stderr
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        # It cannot be written; Python would end with exit code 120 because of it.
        sys.stderr = None
    sys.exit(code)


def _unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Ctrl-C in a callback ends the process too: Python would report it and go on."""
    signal = sys.modules["_signal"]
    if isinstance(unraisable.exc_value, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    sys.__unraisablehook__(unraisable)


if __name__ == "__main__":
    run()
