"""Ctrl-C at any time is quiet, and the package as a library changes no signal handler."""

import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT, fresh

# The interpreter's own start comes before our first line, and prints a traceback that no program can prevent. So the
# process reports when the entry point has set its first handler, and the signal is sent after that.
PROGRAM = """
import os, sys, _signal
# As in the foreground: where the tests run in the background of a shell, their processes inherit that it is ignored.
_signal.signal(_signal.SIGINT, _signal.default_int_handler)
import flopcalc.__main__ as program

change = _signal.signal

def report(number, handler):
    before = change(number, handler)
    _signal.signal = change
    os.write(1, b"started\\n")
    return before

_signal.signal = report
sys.argv = ["flopcalc", "list"]
program.run()
"""


@pytest.mark.parametrize("milliseconds", [*range(0, 40, 4), *range(40, 160, 12)])
def test_an_early_interrupt_is_quiet(milliseconds: int) -> None:
    """It ends the process by the signal, with exit code 130, or after its work; standard error is empty."""
    command = [sys.executable, "-c", PROGRAM]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    time.sleep(milliseconds / 1000)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    # click ends the line that shows ^C.
    assert err.strip() == b""
    assert process.returncode in (0, 130, -signal.SIGINT)


def test_nothing_is_imported_before_the_handler() -> None:
    """The module of the entry point loads nothing but the package itself."""
    done = fresh(
        "import sys; before = set(sys.modules); import flopcalc.__main__\n"
        "print(sorted(name for name in set(sys.modules) - before if 'flopcalc' in name))"
    )
    assert done.out == "['flopcalc', 'flopcalc.__main__']\n"


def test_the_library_changes_no_setting_of_the_process() -> None:
    """Neither signal handlers nor the garbage collector, not even by importing the command line."""
    done = fresh(
        "import gc, signal, sys; names = [s for s in signal.Signals]\n"
        "def state(): return [signal.getsignal(s) for s in names], gc.get_threshold(), sys.unraisablehook\n"
        "before = state()\n"
        "import flopcalc, flopcalc.__main__\nflopcalc.layer('conv', 8)\n"
        "from flopcalc.cli.main import main\nassert main(['list']) == 0\n"
        "assert state() == before"
    )
    assert done.code == 0, done.err


def test_a_parent_that_ignores_interrupts_is_respected() -> None:
    done = fresh(
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "import flopcalc.cli.main as m, flopcalc.__main__ as program\n"
        "m.main = lambda: os.kill(os.getpid(), signal.SIGINT) or 0\n"
        "program.run()"
    )
    assert (done.code, done.err) == (0, "")


def test_an_interrupt_in_a_callback_ends_the_program() -> None:
    """Python would report it and go on."""
    source = (
        "import sys, flopcalc.__main__ as program\n"
        "import flopcalc.cli.main as m\n"
        "class Late:\n"
        "    def __del__(self): raise KeyboardInterrupt\n"
        "def main():\n"
        "    Late()\n"
        "    return 0\n"
        "m.main = main\n"
        "program.run()"
    )
    done = fresh(source)
    assert (done.code, done.err) == (-signal.SIGINT, "")


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("torch", "import flopcalc.pytorch"),
        ("sympy", "import flopcalc.algebra"),
        ("numpy", "flopcalc.sweep('conv', c_in=[8])"),
        ("pandas", "flopcalc.layer('conv', 8).to_pandas()"),
        ("altair", "import flopcalc.charts.picture as p; p.load_altair()"),
    ],
)
def test_an_interrupt_waits_for_an_import(module: str, code: str) -> None:
    """In the midst of it C code would swallow it, and the command would say that the package is missing."""
    pytest.importorskip(module)
    done = fresh(
        "import os, signal, sys, flopcalc\n"
        # A shell starts what runs in the background with interrupts ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Watch:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            print('goes on')\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"try: {code}\n"
        f"except KeyboardInterrupt: print({module!r} in sys.modules)"
    )
    assert (done.code, done.out) == (0, "goes on\nTrue\n"), done.err


def test_an_interrupt_that_became_another_error_is_quiet() -> None:
    """As C code of NumPy and SciPy makes a missing module of it, while they are imported."""
    for words in ("['list']", "['list', '--debug']"):
        source = (
            "import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"sys.argv[1:] = {words}\n"
            "import flopcalc.cli.main as m, flopcalc.__main__ as program\n"
            "from flopcalc.errors import FlopcalcError\n"
            "def lost(*args, **kwargs):\n"
            "    try: os.kill(os.getpid(), signal.SIGINT)\n"
            "    except KeyboardInterrupt: raise FlopcalcError('x', 'SciPy is missing', 'install it') from None\n"
            "m.cli.main = lost\n"
            "program.run()"
        )
        done = fresh(source)
        assert (done.code, done.out, done.err) == (130, "", "")


DELAYED = (
    "import os, signal, sys, threading\n"
    "from flopcalc.interrupts import delayed_interrupts\n"
    "signal.signal(signal.SIGINT, {handler})\n"
    # A thread of another library, to which the system may give the signal.
    "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    "try:\n"
    "    with delayed_interrupts():\n"
    "        os.kill(os.getpid(), signal.SIGINT)\n"
    "        for _ in range(1000): pass\n"
    "        print('inside')\n"
    "    print('after')\n"
    "except KeyboardInterrupt: print('interrupt')\n"
    "assert signal.getsignal(signal.SIGINT) is {handler}"
)


@pytest.mark.parametrize(
    ("handler", "shown"),
    [("signal.default_int_handler", "inside interrupt"), ("signal.SIG_IGN", "inside after"), ("signal.SIG_DFL", "")],
)
def test_an_interrupt_waits_for_the_end(handler: str, shown: str) -> None:
    """Then it does what it would have done; one that is ignored is, and the default action ends the process."""
    done = fresh(DELAYED.format(handler=handler))
    assert done.out.split() == shown.split()
    assert done.code == (0 if shown else -signal.SIGINT), done.err


def test_other_threads_delay_nothing() -> None:
    """Python allows only the main thread to set a handler."""
    done = fresh(
        "import signal, threading\nfrom flopcalc.interrupts import delayed_interrupts\n"
        "before = signal.getsignal(signal.SIGINT)\n"
        "def work():\n"
        "    with delayed_interrupts(): print(signal.getsignal(signal.SIGINT) is before)\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()"
    )
    assert (done.out, done.err) == ("True\n", "")
