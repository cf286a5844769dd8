"""Try the packages of dist/ as users get them: the wheel in fresh environments, the source distribution with its tests.

    python tools/try_package.py [--tests all|some|none]

The wheel: installed with what it requires, it answers `flopcalc layer`; `uvx --from` and `pipx run --spec` run it. The
source distribution: unpacked in a folder of its own and installed there with the extra `test`, without PyTorch, and its
tests run from there. Exits with 1 at the first thing that does not work.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from environments import PROJECT, ROOT, requirements

LAYER = ["layer", "ghost", "--cin", "64"]
# By paper and by hand: m (9 c_in + 9) 56^2 with m = 32.
EXPECTED = "58,705,920"
# A part of the tests that reads every kind of file: `--tests some`.
SOME = (
    *("tests/test_package.py", "tests/test_counts.py", "tests/test_docs.py", "tests/test_imports.py"),
    *("tests/budget/test_ci_files.py", "tests/cli/test_cli.py", "tests/installation", "tests/tools", "tests/text"),
)


def run(command: list[str], folder: Path, **more: str) -> str:
    """The standard output of a command in a folder; ends the process where it fails."""
    print(f"$ {' '.join(command)}", flush=True)
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=folder, env={**kept, **more}, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"failed with exit code {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def tool(name: str) -> str:
    """The path of a program next to this Python, or on PATH."""
    path = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    return path or sys.exit(f"{name} is not installed; `make test-package` installs it")


def expect(text: str) -> None:
    """End the process if a text does not have the MACs of the layer."""
    if EXPECTED not in text:
        sys.exit(f"the output has no {EXPECTED}:\n{text}")


def try_wheel(wheel: Path, folder: Path) -> None:
    """The wheel where only its three requirements are installed; then by uvx and pipx."""
    environment = folder / "plain"
    run([sys.executable, "-m", "venv", str(environment)], folder)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    run([str(python), "-m", "pip", "install", "--quiet", str(wheel)], folder)
    expect(run([str(python.with_name("flopcalc")), *LAYER], folder))
    run([str(python.with_name("flopcalc")), "doctor"], folder)
    expect(run([tool("uvx"), "--from", str(wheel), "flopcalc", *LAYER], folder, UV_TOOL_DIR=str(folder / "uv")))
    home = {"PIPX_HOME": str(folder / "pipx"), "PIPX_BIN_DIR": str(folder / "bin")}
    expect(run([tool("pipx"), "run", "--spec", str(wheel), "flopcalc", *LAYER], folder, **home))


def try_sdist(sdist: Path, folder: Path, tests: str) -> None:
    """The source distribution, unpacked and installed with what its tests need."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = folder / sdist.name.removesuffix(".tar.gz")
    environment = folder / "tests"
    run([tool("uv"), "venv", "--quiet", "--seed", "--python", sys.executable, str(environment)], folder)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    needed = [*PROJECT["dependencies"], *requirements("test")]
    # From inside the unpacked folder: it has its own constraints.
    install = [tool("uv"), "pip", "install", "--quiet", "--python", str(python), "--constraint", "constraints.txt"]
    run([*install, "--editable", ".", *needed], source)
    if tests != "none":
        chosen = [] if tests == "all" else list(SOME)
        print(run([str(python), "-m", "pytest", "-q", "-n", "auto", *chosen], source)[-3000:])


def main() -> None:
    """Try both packages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", choices=["all", "some", "none"], default="some")
    asked = parser.parse_args()
    (wheel,) = (ROOT / "dist").glob("*.whl")
    (sdist,) = (ROOT / "dist").glob("*.tar.gz")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try_wheel(wheel, folder)
        try_sdist(sdist, folder, asked.tests)
    print("both packages work")


if __name__ == "__main__":
    main()
