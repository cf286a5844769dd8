"""Coverage-guided fuzzing of the readers of text and files, with Atheris (libFuzzer for Python).

    python tools/fuzz.py                        every reader, for 30 seconds each
    python tools/fuzz.py yaml lock --seconds 600

The readers, and texts to start from, are those of tests/readers.py. A text that ends in anything but a value or a
FlopcalcError, or that takes more than ten seconds, is written to --found and reported. `make fuzz SECONDS=600` does
this. It is no part of CI: what it finds becomes a test.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
# Of one text.
LATE = 10


def _one(name: str, seconds: int, corpus: str, found: str) -> None:
    """Fuzz one reader in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["flopcalc"]):
        from readers import READERS, refuses

        reader = READERS[name]
        os.chdir(tempfile.mkdtemp(dir=corpus))
        for seed in reader.seeds:
            # Imports what the reader needs, so that it is instrumented.
            refuses(reader, seed)
    folder = Path(corpus) / name
    folder.mkdir(exist_ok=True)
    for index, seed in enumerate(reader.seeds):
        (folder / f"seed{index}").write_text(seed, encoding="utf-8")

    def test(data: bytes) -> None:
        refuses(reader, data)

    flags = [f"-max_total_time={seconds}", f"-timeout={LATE}", f"-artifact_prefix={found}/{name}-", "-max_len=4096"]
    atheris.Setup([sys.argv[0], str(folder), *flags, "-verbosity=0", "-print_final_stats=1"], test)
    atheris.Fuzz()


def main() -> int:
    """Fuzz the readers that the command line names; returns 1 if a text was found."""
    parser = argparse.ArgumentParser(description="Coverage-guided fuzzing of the readers of flopcalc.")
    parser.add_argument("names", nargs="*", help="readers of tests/readers.py (default: all)")
    parser.add_argument("--seconds", type=int, default=30, help="of each reader")
    parser.add_argument("--found", default="fuzz-found", help="where texts with a fault are written")
    parser.add_argument("--corpus", default="", help="where texts are kept from run to run (default: nowhere)")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        _one(given.names[0], given.seconds, given.corpus, given.found)
        return 0
    from readers import READERS

    for name in given.names:
        if name not in READERS:
            parser.error(f"unknown reader {name!r}; known: {', '.join(READERS)}")
    found = Path(given.found).resolve()
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(given.corpus).resolve() if given.corpus else Path(folder)
        corpus.mkdir(parents=True, exist_ok=True)
        for name in given.names or READERS:
            command = [sys.executable, __file__, "--one", name, f"--seconds={given.seconds}"]
            done = subprocess.run(  # noqa: S603 - this file
                [*command, f"--corpus={corpus}", f"--found={found}"], capture_output=True, text=True, check=False
            )
            lines = (done.stdout + done.stderr).splitlines()
            runs = next((line.split()[-1] for line in lines if "number_of_executed_units" in line), "?")
            print(f"{name}: {runs} texts, {'no fault' if done.returncode == 0 else 'a FAULT'}", flush=True)
            if done.returncode:
                # Without the names of the modules that were instrumented: the traceback comes before them.
                print("\n".join([line for line in lines if not line.startswith("INFO: ")][-60:]), flush=True)
    artifacts = sorted(found.iterdir())
    for path in artifacts:
        print(f"found: {path}")
    if not artifacts:
        found.rmdir()
    return int(bool(artifacts))


if __name__ == "__main__":
    sys.exit(main())
