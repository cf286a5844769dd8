"""Run the tests that need no PyTorch in other environments, which uv makes in build/environments.

    python tools/environments.py pythons [3.12 ...] [-- PYTEST OPTIONS]
    python tools/environments.py lowest [-- PYTEST OPTIONS]

pythons: each supported Python that is installed, with the versions of constraints.txt. Interpreters are looked for on
PATH, in the folder of pyenv, and in PYTHONS (paths, separated as in PATH); one that is not found is named and skipped.
lowest: the oldest Python, with the oldest version that pyproject.toml allows of each package. Exits with 1 if any tests
fail.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "environments"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# PyTorch takes gigabytes, and the make targets test one version of it.
LEFT_OUT = frozenset({"torch"})


def supported() -> list[str]:
    """The versions of Python that the metadata name, the oldest first."""
    found = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", one)]
    return sorted(found, key=lambda version: int(version.partition(".")[2]))


def requirements(extra: str, left_out: frozenset[str] = LEFT_OUT) -> list[str]:
    """The requirements of an extra, those of the extras that it names in it, without some packages. Sorted."""
    found: set[str] = set()
    for requirement in PROJECT["optional-dependencies"][extra]:
        if inner := re.fullmatch(r"flopcalc\[(.*)\]", requirement):
            for name in inner[1].split(","):
                found |= set(requirements(name, left_out))
        elif re.split(r"[><=\[ ]", requirement)[0] not in left_out:
            found.add(requirement)
    return sorted(found)


def _candidates(version: str) -> Iterator[str]:
    for path in os.environ.get("PYTHONS", "").split(os.pathsep):
        if path:
            yield path
    yield sys.executable
    if on_path := shutil.which(f"python{version}"):
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    if pyenv.is_dir():
        yield from (str(one / "bin" / "python") for one in sorted(pyenv.glob(f"{version}.*")))


def interpreter(version: str) -> str | None:
    """An installed Python of that version, `3.12`; None where there is none that runs."""
    source = "import sys; print('%d.%d' % sys.version_info[:2])"
    for path in dict.fromkeys(_candidates(version)):
        try:
            done = subprocess.run([path, "-c", source], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and done.stdout.strip() == version:
            return path
    return None


def _uv(*arguments: str) -> None:
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if uv is None:
        sys.exit("uv is not installed; install it with `pip install uv`")
    done = subprocess.run([uv, *arguments], cwd=ROOT, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"uv {' '.join(arguments[:2])} failed")


def prepared(name: str, python: str, how: list[str]) -> Path:
    """The Python of a fresh environment with flopcalc, and what the tests need. how: options of `uv pip install`."""
    folder = FOLDER / name
    # With pip, by which a test installs a plug-in.
    _uv("venv", "--quiet", "--seed", "--clear", "--no-python-downloads", "--python", python, str(folder))
    found = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    needed = [*PROJECT["dependencies"], *requirements("test")]
    _uv("pip", "install", "--quiet", "--python", str(found), *how, "--editable", ".", *needed)
    return found


def tested(name: str, python: Path, options: list[str]) -> bool:
    """Run the tests; whether they pass."""
    listed = (
        "import importlib.metadata as m; print(*sorted(f'{d.name} {d.version}' for d in m.distributions()), sep=', ')"
    )
    print(f"\n{name}", flush=True)
    subprocess.run([str(python), "-c", listed], check=True)  # noqa: S603
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ignore=tests/pytorch", *options]
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode == 0  # noqa: S603


def pythons(versions: list[str], options: list[str]) -> dict[str, str]:
    """The result of each version."""
    found = {}
    for version in versions or supported():
        path = interpreter(version)
        if path is None:
            found[f"Python {version}"] = "skipped: no such interpreter was found"
            continue
        python = prepared(version, path, ["--constraint", "constraints.txt"])
        found[f"Python {version}"] = "passed" if tested(f"Python {version}, {path}", python, options) else "FAILED"
    return found


def lowest(options: list[str]) -> dict[str, str]:
    """The result with the lowest versions, on the oldest Python that is there."""
    for version in supported():
        if path := interpreter(version):
            python = prepared("lowest", path, ["--resolution", "lowest-direct"])
            # Old packages warn of what newer ones changed; warnings of flopcalc are errors with the newest versions.
            passed = tested(f"lowest versions on Python {version}", python, ["-W", "default", *options])
            return {f"lowest versions, Python {version}": "passed" if passed else "FAILED"}
    return {"lowest versions": "skipped: no supported Python was found"}


def main(arguments: list[str]) -> int:
    """Run the tests and print one line for each environment; the exit code."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    (kind, *versions), options = arguments[:split], arguments[split + 1 :]
    if kind not in ("pythons", "lowest") or set(versions) - set(supported()):
        sys.exit(__doc__)
    found = pythons(versions, options) if kind == "pythons" else lowest(options)
    print()
    for name, result in found.items():
        print(f"{name}: {result}")
    return 1 if "FAILED" in found.values() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
