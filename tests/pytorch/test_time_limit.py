"""Code that hangs while it is imported or builds its module ends in one clear error."""

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")


from flopcalc import FlopcalcError
from flopcalc.networks.inputs import Input
from flopcalc.pytorch.loading.time_limit import run_limited, start_limit
from flopcalc.pytorch.target import read_target

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no timer can interrupt code here")

HANGS = {
    "a loop": "while True: pass",
    "a sleep": "time.sleep(60)",
    "a lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "a pipe": "os.read(os.pipe()[0], 1)",
    "a socket": """
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0)); s.listen(); s.accept()""",
    "a child": "subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])",
    "a daemon": "t = threading.Thread(target=time.sleep, args=(60,), daemon=True); t.start(); t.join()",
    "except Exception": """
    while True:
        try: time.sleep(60)
        except Exception: pass""",
    "except BaseException": """
    while True:
        try: time.sleep(60)
        except BaseException: continue""",
    "suppress": """
    while True:
        with contextlib.suppress(BaseException):
            while True: pass""",
    "swallowed once": """
    try: time.sleep(60)
    except BaseException: return nn.Identity()""",
    "another error": """
    try: time.sleep(60)
    except BaseException: raise ValueError('hidden')""",
}
HEADER = "import contextlib, os, socket, subprocess, sys, threading, time\nfrom torch import nn\n"


def _read(path: Path, name: str = "make", seconds: float = 0.3) -> FlopcalcError:
    started = time.monotonic()
    with pytest.raises(FlopcalcError) as caught:
        read_target(f"{path}:{name}", {}, [Input((3, 8, 8))], limit=start_limit(seconds))
    assert time.monotonic() - started < 10
    return caught.value


def _no_traces() -> None:
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    # No handler of an exception is open: later ones would have it as their context.
    assert sys.exc_info() == (None, None, None)


@pytest.mark.parametrize("what", HANGS)
def test_a_factory_that_hangs(what: str, tmp_path: Path) -> None:
    """The error says which step hung and what to do."""
    path = tmp_path / "hangs.py"
    path.write_text(f"{HEADER}def make():\n    {HANGS[what].lstrip()}\n")
    trace = sys.gettrace()
    error = _read(path)
    assert (error.code, error.exit_code) == ("timed-out", 2)
    assert error.message.startswith(f"building {path}:make did not end within 0.3 seconds")
    assert "--timeout SECONDS" in error.hint
    assert sys.gettrace() is trace
    _no_traces()


def test_the_line_that_hangs_is_named(tmp_path: Path) -> None:
    """The user's, not one of Python's own library."""
    path = tmp_path / "hangs.py"
    path.write_text(f"{HEADER}def make():\n    {HANGS['a child']}\n")
    assert _read(path).message.endswith("(hangs.py, line 4)")


def test_an_import_and_an_attribute_that_hang(tmp_path: Path) -> None:
    """The step is named; time that the import took is gone for the factory."""
    path = tmp_path / "hangs.py"
    path.write_text("import time\ntime.sleep(60)\n")
    assert _read(path).message == f"importing {path} did not end within 0.3 seconds (hangs.py, line 2)"
    path.write_text("import time\ndef __getattr__(name): time.sleep(60)\n")
    assert _read(path).message.startswith(f"reading {path}:make did not end")
    path.write_text(
        "import time\nfrom torch import nn\ntime.sleep(1.2)\ndef make():\n    time.sleep(1.2)\n    return nn.ReLU()"
    )
    assert _read(path, seconds=2).message.startswith(f"building {path}:make did not end within 2 seconds")


def test_the_forward_is_not_limited(tmp_path: Path) -> None:
    """Only loading and building are."""
    path = tmp_path / "slow.py"
    path.write_text(
        "import time\nfrom torch import nn\nclass Net(nn.Module):\n"
        "    def forward(self, x):\n        time.sleep(1.2)\n        return x\n"
    )
    net, _ = read_target(f"{path}:Net", {}, [Input((3,))], limit=start_limit(1))
    assert net.macs == 0


def test_the_callers_handler_and_timer_are_restored() -> None:
    """A timer that runs goes on for the rest of its time."""
    seen: list[float] = []

    def slow() -> int:
        time.sleep(0.2)
        return 7

    handler = signal.signal(signal.SIGALRM, lambda *_: seen.append(time.monotonic()))
    mine = signal.getsignal(signal.SIGALRM)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        started = time.monotonic()
        assert run_limited(start_limit(10), "this", slow) == 7
        assert signal.getsignal(signal.SIGALRM) is mine
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 0.35
        time.sleep(0.6)
        assert 0.4 < seen[0] - started < 2
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    _no_traces()


def test_a_handler_that_the_code_sets_is_kept() -> None:
    """It belongs to the user's code; our timer does not reach it."""

    def code() -> int:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        return 7

    try:
        assert run_limited(start_limit(10), "this", code) == 7
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_outside_the_main_thread_there_is_no_limit() -> None:
    """Signals reach the main thread only."""
    found: list[object] = []
    thread = threading.Thread(
        target=lambda: found.append(run_limited(start_limit(0.1), "this", lambda: time.sleep(0.5)))
    )
    thread.start()
    thread.join()
    assert found == [None]


def test_errors_and_interrupts_pass() -> None:
    """Within the limit nothing changes."""
    for error in (ValueError("x"), KeyboardInterrupt(), SystemExit(3)):

        def raises(error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            run_limited(start_limit(10), "this", raises)
        assert caught.value is error
        _no_traces()
