"""`flopcalc diff --git` and `flopcalc check --against`: real repositories, which stay as they are."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import ROOT, TINY, TINY_MACS, TINY_PARAMS, Runner

from flopcalc.budget import git
from flopcalc.budget.config import read_config
from flopcalc.budget.tolerance import COMPARED, read_tolerance
from flopcalc.errors import FlopcalcError

pytestmark = pytest.mark.skipif(
    subprocess.run(["/usr/bin/env", "git", "--version"], capture_output=True, check=False).returncode != 0,
    reason="git is not installed",
)

# A ninth channel: 28 parameters and 27 * 64 MACs in the convolution, 10 of each in the linear layer.
WIDER = TINY.replace("out: 8,", "out: 9,")
MORE_PARAMS, MORE_MACS = 28 + 10, 27 * 64 + 10
_AUTHOR = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_ENVIRONMENT = {**_AUTHOR, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "LC_ALL": "C"}

NET = """\
from torch import nn

from parts import CHANNELS


def make(channels=0):
    return nn.Sequential(nn.Conv2d(3, channels or CHANNELS, 3, bias=False), nn.ReLU())
"""


class Repository:
    """A repository in a folder, which is the working directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self("init", "-q", "-b", "main")

    def __call__(self, *words: str) -> str:
        done = subprocess.run(["/usr/bin/env", "git", *words], cwd=self.folder, capture_output=True, check=True)
        return done.stdout.decode()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_yaml", ".yaml").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def commit(self, message: str = "change", **files: str) -> str:
        self.write(**files)
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD").strip()

    def state(self) -> dict[str, Any]:
        """Everything that must stay: files with their times, refs, index, stash, configuration."""
        files = {
            str(path.relative_to(self.folder)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
        return {"files": files, "refs": self("for-each-ref"), "head": self("rev-parse", "--symbolic-full-name", "HEAD")}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """An empty repository, in which commands run, with a folder for temporary files of its own."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    # The package is imported from the checkout, wherever the child runs.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    temporary, folder = tmp_path / "temporary", tmp_path / "work"
    temporary.mkdir()
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(folder)
    return Repository(folder)


def found(run: Runner, *words: str, code: int = 0) -> Any:
    """The JSON of a command."""
    done = run(*words, "--format", "json")
    assert done.code == code, done.err + done.out
    return json.loads(done.out)


# diff


def test_a_description_then_and_now(repository: Repository, run: Runner) -> None:
    """The difference by hand, with what is not committed; nothing of the repository changes, no file is left."""
    commit = repository.commit(net_yaml=TINY)
    repository.write(net_yaml=WIDER)
    repository.write(other_yaml="not under version control")
    repository("stash", "list")
    before = repository.state()
    record = found(run, "diff", "--git", "HEAD", "net.yaml")
    assert record["schema"] == "flopcalc/diff-git/1"
    assert record["revision"] == {"name": "HEAD", "commit": commit, "changed": True}
    (one,) = record["targets"]
    assert (one["schema"], one["target"]) == ("flopcalc/diff/1", "net.yaml")
    assert (one["a"]["params"], one["a"]["macs"]) == (TINY_PARAMS, TINY_MACS)
    assert (one["difference"]["params"], one["difference"]["macs"]) == (MORE_PARAMS, MORE_MACS)
    assert repository.state() == before
    assert not list((repository.folder.parent / "temporary").iterdir())


@pytest.mark.parametrize("fmt", ["table", "csv", "markdown", "latex", "html"])
def test_every_format(repository: Repository, run: Runner, fmt: str) -> None:
    """Of one target and of two; the numbers are there."""
    repository.commit(net_yaml=TINY, b__net_yaml=TINY)
    repository.commit("wider", net_yaml=WIDER)
    for targets in (("net.yaml",), ("net.yaml", "b/net.yaml")):
        done = run("diff", "--git", "HEAD~1", *targets, "--format", fmt)
        assert done.code == 0, done.err
        assert "conv1" in done.out
        assert ("13824,15552" if fmt == "csv" else "1,728") in done.out
        assert fmt == "csv" or "not committed" not in done.out
        if len(targets) == 2 and fmt == "table":
            assert "2 targets compared, 1 changed" in done.out
            assert "Equal, layer by layer\n  - b/net.yaml" in done.out
    assert run("diff", "--git", "HEAD~1", "net.yaml", "-o", "diff.html").code == 0
    assert "<html" in Path("diff.html").read_text()


def test_python_models_have_the_modules_of_their_revision(repository: Repository, run: Runner) -> None:
    """Also those that they import, from a package, a folder next to it and a subfolder; 27 MACs per channel at 36."""
    pytest.importorskip("torch")
    repository.commit(net_py=NET, parts_py="CHANNELS = 8\n", pack____init___py="", pack__net_py=NET)
    repository.write(parts_py="CHANNELS = 16\n")
    shape = ("--input", "3x8x8")
    for target in ("net.py:make", "net:make", "pack.net:make"):
        (one,) = found(run, "diff", "--git", "main", target, *shape)["targets"]
        assert (one["a"]["macs"], one["b"]["macs"]) == (27 * 8 * 36, 27 * 16 * 36)
    (one,) = found(run, "diff", "--git", "main", "net.py:make --set channels=4 --input 3x4x4")["targets"]
    assert (one["a"]["macs"], one["b"]["macs"]) == (27 * 4 * 4, 27 * 4 * 4)
    assert one["counts"]["changed"] == 0


def test_a_package_that_is_installed_from_the_working_tree(
    repository: Repository, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `pip install -e`, with a folder src on the path: the revision has its own version of it."""
    pytest.importorskip("torch")
    repository.commit(src__parts_py="CHANNELS = 8\n", models__net_py=NET)
    repository.write(src__parts_py="CHANNELS = 16\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(repository.folder / "src")]))
    monkeypatch.syspath_prepend(str(repository.folder / "src"))
    (one,) = found(run, "diff", "--git", "main", "models/net.py:make", "--input", "3x8x8")["targets"]
    assert (one["a"]["macs"], one["b"]["macs"]) == (27 * 8 * 36, 27 * 16 * 36)
    sys.modules.pop("parts", None)


def test_a_module_of_the_working_tree_is_an_error(repository: Repository, run: Runner) -> None:
    """A model that puts the absolute path of the working tree on its path would be counted with present modules."""
    pytest.importorskip("torch")
    text = f"import sys\nsys.path.insert(0, {str(repository.folder / 'lib')!r})\n{NET}"
    repository.commit(net_py=text, lib__parts_py="CHANNELS = 8\n")
    done = run("diff", "--git", "main", "net.py:make", "--input", "3x8x8")
    assert done.code == 2
    assert "at main (" in done.err
    assert "the module parts comes from the working tree ('lib/parts.py')" in done.err
    sys.modules.pop("parts", None)


def test_what_a_model_prints_is_not_output(repository: Repository, run: Runner) -> None:
    """JSON on standard output stays JSON."""
    pytest.importorskip("torch")
    repository.commit(net_py=f"print('hello from the model')\n{NET}", parts_py="CHANNELS = 8\n")
    done = run("diff", "--git", "main", "net.py:make", "--input", "3x8x8", "--format", "json")
    assert json.loads(done.out)["targets"]


def test_targets_of_the_file(repository: Repository, run: Runner) -> None:
    """All of them, or by name; new and gone ones are listed; a definition may have changed too."""
    first = "targets:\n  - {network: net.yaml, name: small}\n  - {network: net.yaml, name: old}\n"
    repository.commit(net_yaml=TINY, flopcalc_yaml=f"{first}  - {{operator: conv, c_in: 8, hw: 8}}\n")
    second = "targets:\n  - {network: net.yaml, name: small, batch: 2}\n  - {network: net.yaml, name: new}\n"
    repository.write(flopcalc_yaml=f"{second}  - {{operator: conv, c_in: 16, c_out: 8, hw: 8}}\n")
    record = found(run, "diff", "--git", "main")
    assert (record["new"], record["gone"]) == (["new"], ["old"])
    small, conv = record["targets"]
    assert (small["a"]["macs"], small["b"]["macs"]) == (TINY_MACS, 2 * TINY_MACS)
    # 3x3 weights from 8 or 16 channels to 8, at 64 places.
    assert (conv["a"]["macs"], conv["b"]["macs"]) == (9 * 8 * 8 * 64, 9 * 16 * 8 * 64)
    done = run("diff", "--git", "main")
    assert "New since then, not compared\n  - new" in done.out
    assert "Gone since then, not compared\n  - old" in done.out
    (one,) = found(run, "diff", "--git", "main", "small")["targets"]
    assert one["difference"] == small["difference"]
    done = run("diff", "--git", "main", "new")
    assert (done.code, done.err.splitlines()[0].split(" at main")[0]) == (2, "error: flopcalc.yaml has no target 'new'")


def test_from_a_subfolder(repository: Repository, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are relative to the working directory, which need not exist at the revision."""
    repository.commit(net_yaml=TINY, deep__net_yaml=TINY)
    repository.write(net_yaml=WIDER, fresh__note="")
    monkeypatch.chdir("deep")
    texts = [
        one["difference"]["macs"] for one in found(run, "diff", "--git", "main", "../net.yaml", "net.yaml")["targets"]
    ]
    assert texts == [MORE_MACS, 0]
    monkeypatch.chdir("../fresh")
    assert found(run, "diff", "--git", "main", "../net.yaml")["targets"][0]["difference"]["macs"] == MORE_MACS


def test_renamed_files(repository: Repository, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target is compared with the file that it was: committed or staged, with options, in the file of targets."""
    repository.commit(net_yaml=TINY, flopcalc_yaml="targets: [{network: net.yaml}]\n")
    repository("mv", "net.yaml", "model.yaml")
    repository.write(model_yaml=WIDER, flopcalc_yaml="targets: [{network: model.yaml}]\n")
    for commit in (False, True):
        if commit:
            repository.commit()
        for targets in ((), ("model.yaml",), ("model.yaml --batch 1",)):
            record = found(run, "diff", "--git", "main~1" if commit else "main", *targets)
            (one,) = record["targets"]
            assert (one["difference"]["macs"], record["new"], record["gone"]) == (MORE_MACS, [], [])
            assert one["a"]["target"].startswith("net.yaml")
            assert one["b"]["target"].startswith("model.yaml")
    # A file that is there under its old name, too, was not renamed.
    repository.commit(net_yaml=TINY)
    record = found(run, "diff", "--git", "main~2", "net.yaml")
    assert (record["targets"][0]["difference"]["macs"], record["targets"][0]["b"]["target"]) == (0, "now")
    # From a subfolder.
    repository.commit(sub__note="")
    monkeypatch.chdir("sub")
    assert found(run, "diff", "--git", "main~1", "../model.yaml")["targets"][0]["difference"]["macs"] == 0
    monkeypatch.chdir("..")


def test_a_renamed_file_cannot_grow_unseen(repository: Repository, run: Runner) -> None:
    """`check --against` measures it as the file that it was."""
    repository.commit(net_yaml=TINY, flopcalc_yaml="targets: [{network: net.yaml}]\n")
    repository("mv", "net.yaml", "model.yaml")
    repository.commit(model_yaml=WIDER, flopcalc_yaml="targets: [{network: model.yaml}]\n")
    record = found(run, "check", "--against", "main~1", code=1)
    assert record["against"]["targets"]["model.yaml"]["macs"] == TINY_MACS
    assert not record["against"]["new"]
    assert not record["against"]["gone"], "net.yaml is model.yaml now"
    # In a folder of its own, and next to a target that is gone.
    both = "targets: [{network: net.yaml}, {network: gone.yaml}]\n"
    repository.commit(sub__net_yaml=TINY, sub__gone_yaml=TINY, sub__flopcalc_yaml=both)
    repository("mv", "sub/net.yaml", "sub/model.yaml")
    repository.commit(sub__flopcalc_yaml="targets: [{network: model.yaml}]\n")
    assert found(run, "check", "sub/flopcalc.yaml", "--against", "main~1")["against"]["gone"] == ["gone.yaml"]


def test_a_renamed_model(repository: Repository, run: Runner) -> None:
    """A Python file, with what it imports at that revision."""
    pytest.importorskip("torch")
    repository.commit(net_py=NET, parts_py="CHANNELS = 8\n")
    repository("mv", "net.py", "model.py")
    repository.commit(parts_py="CHANNELS = 16\n")
    (one,) = found(run, "diff", "--git", "main~1", "model.py:make", "--input", "3x8x8")["targets"]
    assert (one["a"]["macs"], one["b"]["macs"]) == (27 * 8 * 36, 27 * 16 * 36)
    assert one["a"]["target"].startswith("net.py:make at main~1 (")


def test_descriptions_with_other_files(repository: Repository, run: Runner) -> None:
    """A network `like` another file, and an operator of its own, are those of the revision."""
    repository.commit(base_yaml=TINY, net_yaml="name: other\ntitle: Other\nlike: base.yaml\n")
    repository.write(base_yaml=WIDER)
    assert found(run, "diff", "--git", "main", "net.yaml")["targets"][0]["difference"]["params"] == MORE_PARAMS


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("nope", "net.yaml"), "'nope' is not a revision", "git branch -a"),
        (("", "net.yaml"), "'' is not a revision", "git log"),
        (("--all", "net.yaml"), "'--all' is not a revision", "git log"),
        (("main", "late.yaml"), "the file 'late.yaml' does not exist at main", "a later revision"),
        (("main", "absent.yaml"), "absent.yaml", ""),
        (("main", "resnet50"), "'resnet50' is shipped with flopcalc", "name a file"),
        (("main", "ghost"), "'ghost' is shipped with flopcalc", "name a file"),
        (("main", "nett"), "unknown target 'nett'", "name the path"),
        (("main", "torchvision:resnet18"), "is an installed package", "of this repository"),
        (("main", "/etc/hosts.yaml"), "hosts.yaml", ""),
        (("main", "../outside.yaml"), "is not in the git repository", "of this repository"),
        (("main",), "no target is named", "flopcalc diff --git main net.yaml"),
        (("main", "broken.yaml"), "at main (", ""),
        (("main", "net.yaml", "--symbolic"), "--symbolic does not apply to --git", "leave out"),
        (("main", "net.yaml --input"), "requires an argument", ""),
    ],
)
def test_mistakes(repository: Repository, run: Runner, words: tuple[str, ...], message: str, hint: str) -> None:
    """One line each, exit code 2, nothing left."""
    repository.commit(net_yaml=TINY, broken_yaml="name: [\n")
    repository.write(late_yaml=TINY, broken_yaml=TINY)
    (repository.folder.parent / "outside.yaml").write_text(TINY)
    done = run("diff", "--git", *words)
    assert (done.code, done.out) == (2, ""), done.err
    error, advice = done.err.strip().splitlines()
    assert message in error
    assert hint in advice
    assert "flopcalc-" not in error
    assert not list((repository.folder.parent / "temporary").iterdir())


def test_no_repository_no_commit_no_git(repository: Repository, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is named; without git the exit code is 3."""
    repository.write(net_yaml=TINY)
    assert "no commit yet" in run("diff", "--git", "HEAD", "net.yaml").err
    repository.commit()
    monkeypatch.setenv("PATH", str(repository.folder))
    done = run("diff", "--git", "HEAD", "net.yaml")
    assert (done.code, done.err.splitlines()[0]) == (
        3,
        "error: comparing with another revision needs git, which is not installed",
    )
    monkeypatch.undo()
    monkeypatch.chdir(repository.folder.parent / "temporary")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.folder.parent))
    done = run("diff", "--git", "HEAD", "net.yaml")
    assert done.code == 2
    assert "is not in a git repository" in done.err


@pytest.mark.parametrize("where", ["bare", "repository/.git"])
def test_without_a_working_tree(
    where: str, repository: Repository, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a bare repository nothing is broken, so that `git fsck` is no advice."""
    repository.commit(net_yaml=TINY)
    folder = repository.folder / ".git" if where != "bare" else tmp_path / "bare"
    if where == "bare":
        repository("clone", "-q", "--bare", str(repository.folder), str(folder))
    monkeypatch.chdir(folder)
    done = run("diff", "--git", "HEAD", "net.yaml")
    assert done.code == 2
    assert "has no working tree" in done.err
    assert "hint:  run the command in a folder where a branch is checked out" in done.err


def test_a_shallow_clone_and_a_remote_branch(
    repository: Repository, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What CI often has: the hint says what to fetch, or the name of the branch."""
    repository.commit(net_yaml=TINY)
    repository.commit("wider", net_yaml=WIDER)
    clone = repository.folder.parent / "clone"
    repository("clone", "-q", "--depth", "1", f"file://{repository.folder}", str(clone))
    monkeypatch.chdir(clone)
    assert "fetch-depth: 0" in run("diff", "--git", "HEAD~1", "net.yaml").err
    repository("-C", str(clone), "checkout", "-q", "-b", "work")
    repository("-C", str(clone), "branch", "-q", "-D", "main")
    assert "there is origin/main: give that" in run("diff", "--git", "main", "net.yaml").err
    assert run("diff", "--git", "origin/main", "net.yaml").code == 0


def test_submodules(repository: Repository, run: Runner, tmp_path: Path) -> None:
    """At the commit that the revision names, where its files are here; else the submodule is named."""
    inner = tmp_path / "inner"
    inner.mkdir()
    other = Repository(inner)
    other.commit(net_yaml=TINY)
    repository("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "inner")
    repository.commit(top_yaml="name: top\ntitle: Top\nlike: inner/net.yaml\n")
    (repository.folder / "inner" / "net.yaml").write_text(WIDER)
    for target in ("inner/net.yaml", "top.yaml"):
        assert found(run, "diff", "--git", "main", target)["targets"][0]["difference"]["macs"] == MORE_MACS
    repository("submodule", "--quiet", "deinit", "-f", "inner")
    (repository.folder / "inner").mkdir(exist_ok=True)
    (repository.folder / "inner" / "net.yaml").write_text(WIDER)
    done = run("diff", "--git", "main", "inner/net.yaml")
    assert "in the submodule inner" in done.err
    assert "git submodule update --init inner" in done.err


def test_attributes_links_and_names(repository: Repository, run: Runner) -> None:
    """What archives leave out is there, text is not converted, links stay inside, names may be of any letters."""
    repository.write(target_yaml=TINY)
    os.symlink("target.yaml", "link.yaml")
    os.symlink(repository.folder / "target.yaml", "absolute.yaml")
    Path("nämen und mehr.yaml").write_text(TINY)
    Path(".gitattributes").write_text("*.yaml export-ignore export-subst text eol=crlf filter=broken\n")
    repository("config", "filter.broken.smudge", "false")
    repository.commit()
    repository.write(target_yaml=WIDER)
    for name, more in (("link.yaml", MORE_MACS), ("'nämen und mehr.yaml'", 0)):
        assert found(run, "diff", "--git", "main", name)["targets"][0]["difference"]["macs"] == more
    # It leads to the present file, which is none of the revision.
    done = run("diff", "--git", "main", "absolute.yaml")
    assert "does not exist at main" in done.err


def test_a_full_disk(repository: Repository, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and nothing half-written is left."""
    repository.commit(net_yaml=TINY)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(git, "_write_entry", full)
    done = run("diff", "--git", "main", "net.yaml")
    assert done.code == 2
    assert "cannot write the files of 'main' to a temporary folder: No space left on device" in done.err
    assert "TMPDIR" in done.err
    assert not list((repository.folder.parent / "temporary").iterdir())


def test_a_hook_of_git_may_run_it(repository: Repository, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook has the index of the commit in its environment, which stays as it is."""
    repository.commit(net_yaml=TINY)
    repository.write(net_yaml=WIDER)
    monkeypatch.setenv("GIT_INDEX_FILE", str(repository.folder / ".git" / "index"))
    monkeypatch.setenv("GIT_DIR", ".git")
    before = (repository.folder / ".git" / "index").read_bytes()
    assert found(run, "diff", "--git", "HEAD", "net.yaml")["targets"][0]["difference"]["macs"] == MORE_MACS
    assert (repository.folder / ".git" / "index").read_bytes() == before


def test_two_targets_without_git_are_needed(run: Runner) -> None:
    """The error names the other way."""
    for words in ((), ("resnet50",), ("resnet50", "resnet18", "vgg16")):
        done = run("diff", *words)
        assert done.code == 2
        assert "compares two networks" in done.err
        assert "--git REV" in done.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing(repository: Repository, tmp_path: Path, number: int, code: int) -> None:
    """While the other process builds a model: both end, and the files of the revision are removed.

    Ctrl-C reaches both processes, a request to end only the first.
    """
    pytest.importorskip("torch")
    started = tmp_path / "started"
    wait = f"    open({str(started)!r}, 'w').close()\n    time.sleep(60)\n"
    slow = f"import os, time\nif 'flopcalc-' in os.getcwd():\n{wait}"
    repository.commit(net_py=slow + NET, parts_py="CHANNELS = 8\n")
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys, flopcalc.__main__ as m\n"
        "sys.argv = ['flopcalc', 'diff', '--git', 'main', 'net.py:make', '--input', '3x8x8']\nm.run()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    end = time.monotonic() + 60
    while not started.exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    assert started.exists(), process.communicate()
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, b"")
    assert b"Traceback" not in err
    assert not list((tmp_path / "temporary").iterdir())


# check


def check(run: Runner, *words: str, code: int) -> dict[str, dict[str, Any]]:
    """The rows of a check against main, by limit."""
    return {row["limit"]: row for row in found(run, "check", "--against", *words, code=code)["rows"]}


def test_a_cost_that_grew_fails(repository: Repository, run: Runner) -> None:
    """By any amount, where the file says nothing; a lower cost passes; equal costs pass."""
    repository.commit(net_yaml=TINY, flopcalc_yaml="targets: [{network: net.yaml}]\n")
    rows = check(run, "main", code=0)
    assert list(rows) == [f"{kind} <= main" for kind in COMPARED]
    assert all(row["ok"] for row in rows.values())
    repository.write(net_yaml=WIDER)
    before = repository.state()
    rows = check(run, "main", code=1)
    assert repository.state() == before
    row = rows["macs <= main"]
    assert (row["actual"], row["bound"], row["excess"], row["line"]) == (TINY_MACS + MORE_MACS, TINY_MACS, MORE_MACS, 1)
    assert [one for one, row in rows.items() if row["ok"]] == ["steps <= main"]
    repository.write(net_yaml=TINY.replace("out: 8,", "out: 7,"))
    assert all(row["ok"] for row in check(run, "main", code=0).values())
    assert not list((repository.folder.parent / "temporary").iterdir())


@pytest.mark.parametrize(
    ("tolerance", "failed"),
    [
        # params grow by 38 of 314 (12.10...%), MACs by 1738 of 13904: exactly 12.5%.
        ("12.5%", []),
        ("12.4%", ["flops", "macs"]),
        ("{macs: 12.5%, params: 13%}", []),
        ("{macs: 12.499999%}", ["macs"]),
        ("{params: 0}", ["params"]),
        ("{params: any, macs: any}", []),
        ("any", []),
        ("0", ["activations", "flops", "macs", "params", "traffic"]),
    ],
)
@pytest.mark.parametrize("where", ["file", "target"])
def test_tolerance(repository: Repository, run: Runner, tolerance: str, failed: list[str], where: str) -> None:
    """Of one kind, of several, of all; in the file or in the target; compared exactly."""
    repository.commit(net_yaml=TINY)
    of_file, of_target = (f"tolerance: {tolerance}\n", "") if where == "file" else ("", f", tolerance: {tolerance}")
    text = f"{of_file}targets: [{{network: net.yaml{of_target}}}]\n"
    repository.write(net_yaml=WIDER, flopcalc_yaml=text)
    rows = check(run, "main", code=1 if failed else 0)
    assert sorted(row["quantity"] for row in rows.values() if not row["ok"]) == failed


def test_a_target_overrides_the_tolerance_of_the_file() -> None:
    """And what a tolerance may not be."""
    assert read_tolerance("any").shares == {}
    assert set(read_tolerance("2%").shares) == set(COMPARED)
    for wrong in ("2", 2, 0.02, -1, "-1%", True, None, ["2%"], "two", {"mac": 0}, {"macs": 1}):
        with pytest.raises(FlopcalcError) as caught:
            read_tolerance(wrong)
        assert caught.value.hint


@pytest.mark.parametrize("given", ["tolerance: 2\n", "targets: [{network: net.yaml, tolerance: lots}]\n"])
def test_a_wrong_tolerance_has_its_line(repository: Repository, run: Runner, given: str) -> None:
    """Also without --against."""
    repository.write(net_yaml=TINY, flopcalc_yaml="# targets\n" + given)
    done = run("check")
    assert done.code == 2
    assert "flopcalc.yaml, line 2: tolerance is" in done.err


def test_limits_of_the_file_read_the_revision(repository: Repository, run: Runner) -> None:
    """`locked`, and `baseline` without a replacement, are the costs there; such a target has no other growth limits."""
    repository.commit(net_yaml=TINY)
    limits = (
        "limits: [macs <= 1.125 * locked, params <= 1.12 * baseline, 'layer conv1: params <= locked + 27', macs <= 1G]"
    )
    repository.write(net_yaml=WIDER, flopcalc_yaml=f"targets:\n  - network: net.yaml\n    {limits}\n")
    rows = check(run, "main", code=1)
    assert [row["ok"] for row in rows.values()] == [True, False, False, True]
    assert rows["layer conv1: params <= locked + 27"]["bound"] == 224 + 27
    # A tolerance that is stated applies to the kinds without a limit of their own.
    repository.write(flopcalc_yaml=f"targets:\n  - network: net.yaml\n    tolerance: 12%\n    {limits}\n")
    rows = check(run, "main", code=1)
    assert [one for one in rows if "main" in one] == [
        f"{kind} <= main + 12%" for kind in ("flops", "activations", "traffic", "steps")
    ]


def test_new_and_gone_targets(repository: Repository, run: Runner) -> None:
    """What did not exist cannot have grown; a target that the file had not is measured by its present definition."""
    repository.commit(net_yaml=TINY, flopcalc_yaml="targets: [{network: net.yaml, name: old}]\n")
    text = "targets: [{network: net.yaml, name: now}, {network: late.yaml, name: late}]\n"
    repository.write(net_yaml=WIDER, late_yaml=TINY, flopcalc_yaml=text)
    record = found(run, "check", "--against", "main", code=1)
    assert record["against"]["gone"] == ["old"]
    assert list(record["against"]["new"]) == ["late"]
    assert "late.yaml" in record["against"]["new"]["late"]
    assert {row["target"] for row in record["rows"]} == {"now"}
    assert record["against"]["targets"]["now"]["macs"] == TINY_MACS
    (change,) = record["against"]["changes"]
    assert change["difference"]["macs"] == MORE_MACS
    done = run("check", "--against", "main")
    assert "Changed since main (" in done.out
    assert "cannot have grown" in done.out
    assert "/temporary/" not in done.out


def test_the_definition_is_that_of_the_revision(repository: Repository, run: Runner) -> None:
    """A pull request that doubles the batch of a target makes it more expensive; the dtype is that of now."""
    repository.commit(net_yaml=TINY, flopcalc_yaml="targets: [{network: net.yaml}]\n")
    repository.write(flopcalc_yaml="dtype: float16\ntargets: [{network: net.yaml, batch: 2}]\n")
    rows = check(run, "main", code=1)
    assert (rows["macs <= main"]["bound"], rows["macs <= main"]["actual"]) == (TINY_MACS, 2 * TINY_MACS)
    repository.write(flopcalc_yaml="dtype: float16\ntargets: [{network: net.yaml}]\n")
    assert check(run, "main", code=0)["traffic <= main"]["excess"] == 0


def test_python_targets_and_pyproject(repository: Repository, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their own modules; the file may be [tool.flopcalc], in a folder below, read from another folder."""
    pytest.importorskip("torch")
    file = '[[tool.flopcalc.targets]]\nnetwork = "net.py:make"\ninput = "3x8x8"\ntolerance = "50%"\n'
    repository.write(ml__net_py=NET, ml__parts_py="CHANNELS = 8\n")
    Path("ml/pyproject.toml").write_text(file)
    repository.commit()
    repository.write(ml__parts_py="CHANNELS = 16\n")
    rows = check(run, "main", "ml/pyproject.toml", code=1)
    row = rows["macs <= main + 50%"]
    assert (row["actual"], row["bound"]) == (27 * 16 * 36, 27 * 8 * 36 * 3 // 2)
    monkeypatch.chdir("ml")
    assert check(run, "main", code=1) == {key: {**row, "file": "pyproject.toml"} for key, row in rows.items()}


def test_kernels_without_a_rule_are_not_zero(repository: Repository, run: Runner) -> None:
    """Where the revision has one, the growth is not known: the check fails, and names the kernel and where it is."""
    pytest.importorskip("torch")
    kernel = (
        "import torch\n@torch.library.custom_op('flopcalcgit::scan', mutates_args=())\n"
        "def scan(x: torch.Tensor) -> torch.Tensor:\n    return x.clone()\n"
        "@scan.register_fake\ndef _(x):\n    return torch.empty_like(x)\n"
        "class Net(torch.nn.Module):\n    def forward(self, x):\n        return scan(x)\n"
    )
    plain = "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return x + 1\n"
    repository.commit(net_py=kernel, flopcalc_yaml="targets: [{network: 'net.py:Net', input: 3x4}]\n")
    repository.write(net_py=plain)
    rows = check(run, "main", code=1)
    row = rows["flops <= main"]
    assert (row["verdict"], row["known"]) == ("unknown", {"actual": "exact", "bound": "unknown"})
    assert row["uncounted"][0]["of"] == "main"
    repository.write(flopcalc_yaml="targets: [{network: 'net.py:Net', input: 3x4, uncounted: allow}]\n")
    assert check(run, "main", code=1)["flops <= main"]["verdict"] == "exceeded"


def test_formats_of_machines(repository: Repository, run: Runner) -> None:
    """JUnit, SARIF and annotations have each limit that fails, with file and line; CSV a row for each."""
    repository.commit(net_yaml=TINY, flopcalc_yaml="targets:\n  - network: net.yaml\n    tolerance: {macs: 1%}\n")
    repository.write(net_yaml=WIDER)
    line = f"net.yaml: macs is {TINY_MACS + MORE_MACS:,}"
    done = run("check", "--against", "main", "--format", "github", "--report", "out.xml", "--report", "out.sarif")
    assert done.code == 1
    assert done.out.startswith("::error file=flopcalc.yaml,line=3,")
    assert line in done.out
    (case,) = ET.parse("out.xml").getroot().iter("testcase")  # noqa: S314 - our own
    assert case.get("name") == "macs <= main + 1%"
    (result,) = json.loads(Path("out.sarif").read_text())["runs"][0]["results"]
    assert line in result["message"]["text"]
    done = run("check", "--against", "main", "--format", "csv")
    assert f"net.yaml,macs <= main + 1%,,macs,{TINY_MACS + MORE_MACS}," in done.out
    for fmt in ("markdown", "latex", "html"):
        assert f"{TINY_MACS + MORE_MACS:,}" in run("check", "--against", "main", "--format", fmt).out


def test_a_file_that_could_not_be_read(repository: Repository, run: Runner) -> None:
    """A change that repairs the file is checked by the present one, and the output says so."""
    repository.commit(net_yaml=TINY, flopcalc_yaml="targets: nothing\n")
    repository.write(net_yaml=WIDER, flopcalc_yaml="targets: [{network: net.yaml}]\n")
    assert check(run, "main", code=1)["macs <= main"]["bound"] == TINY_MACS
    assert "the file cannot be read there" in " ".join(run("check", "--against", "main").out.split())


def test_mistakes_of_a_check(repository: Repository, run: Runner, tmp_path: Path) -> None:
    """One line each."""
    repository.commit(net_yaml="name: [\n", flopcalc_yaml="targets: [{network: net.yaml}]\n")
    repository.write(net_yaml=TINY)
    done = run("check", "--against", "main")
    assert done.code == 2
    assert done.err.startswith("error: at main (")
    assert "flopcalc.yaml, line 1: target net.yaml" in done.err
    for flag in ("--locked", "--formulas"):
        assert "are both given" in run("check", "--against", "main", flag).err
    assert "'nope' is not a revision" in run("check", "--against", "nope").err
    outside = tmp_path / "flopcalc.yaml"
    outside.write_text("targets: [{operator: conv, c_in: 8}]\n")
    assert "git repository" in run("check", "--against", "main", str(outside)).err


def test_nothing_heavy_is_loaded_for_descriptions(repository: Repository) -> None:
    """Neither by the command, nor by the process at the revision, which imports torch for Python models only."""
    repository.commit(net_yaml=TINY, flopcalc_yaml="targets: [{network: net.yaml}]\n")
    source = (
        "import sys\nfrom flopcalc.cli.main import main\n"
        "code = main(['check', '--against', 'main']) or main(['diff', '--git', 'main', 'net.yaml'])\n"
        "sys.exit(9 if {'torch', 'sympy', 'numpy'} & set(sys.modules) else code)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_paths_in_a_repository(tmp_path: Path) -> None:
    """Relative to its root, through links to the repository; None outside."""
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    os.symlink(top, tmp_path / "link")
    assert git.relative(str(top / "a" / "x.yaml"), str(top)) == "a/x.yaml"
    assert git.relative(str(tmp_path / "link" / "a" / "x.yaml"), str(top)) == "a/x.yaml"
    assert git.relative(str(tmp_path / "x.yaml"), str(top)) is None
    assert git.relative(f"{top}-other/x", str(top)) is None
    assert not any(map(git._is_safe, ("/etc/passwd", "../x", "a/../x", ".git/config", "a//b", "a/.GIT/x")))
    assert git._is_safe("a/..b/c.yaml")


def test_the_action(repository: Repository, tmp_path: Path) -> None:
    """The input `against` reaches the command by the environment; a name with a dash is no option."""
    repository.commit(net_yaml=TINY, flopcalc_yaml="targets: [{network: net.yaml}]\n")
    repository.write(net_yaml=WIDER)
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    (step,) = [one for one in steps if one.get("id") == "check"]
    assert step["env"]["AGAINST"] == "${{ inputs.against }}"
    environment = {"FILE": "", "LOCKED": "false", "FORMULAS": "false", "PYTHON": sys.executable}
    environment |= {"RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    for revision, code, text in (("main", 1, "macs is 15,642, the limit is 13,904"), ("--debug", 2, "not a revision")):
        done = subprocess.run(
            ["/usr/bin/env", "bash", "-e", "-o", "pipefail", "-c", step["run"]],
            env={**os.environ, **environment, "AGAINST": revision, "GITHUB_OUTPUT": str(tmp_path / "output")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, text in done.stdout) == (code, True), done.stdout + done.stderr
    assert (tmp_path / "output").read_text() == "failed=5\n"


def test_the_guide(repository: Repository, run: Runner) -> None:
    """Its commands run, its outputs are those that it shows, and its file can be read."""
    pytest.importorskip("torch")
    guide = (ROOT / "docs" / "budgets.md").read_text()
    section = guide.partition("## Another revision")[2].partition("\n## ")[0]
    for number in range(4):
        repository.commit(
            f"{number}", net_yaml=TINY, models__net_py=NET.replace("make", "Net"), parts_py="CHANNELS = 8\n"
        )
    repository.write(flopcalc_yaml="targets: [{network: net.yaml}, {network: net.yaml, name: small}]\n")
    commit = repository.commit("targets")
    repository("tag", "v1.0")
    repository.write(net_yaml=WIDER)
    commands = [line.partition("#")[0].split() for line in "".join(_blocks(section, "sh")).splitlines()]
    assert len(commands) == 5
    for command in commands:
        assert run(*command[1:]).code == (1 if "check" in command else 0)
    repository.write(flopcalc_yaml="targets: [{network: net.yaml}]\n")
    shown = _blocks(section, "text")
    for words, text in zip((("diff", "--git", "main", "net.yaml"), ("check", "--against", "main")), shown, strict=True):
        pattern = "".join(
            r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n"
            for line in text.replace("6ea029cee4", commit[:10]).splitlines()
        )
        assert re.fullmatch(pattern, run(*words).out)
    (file,) = [one for one in _blocks(section, "yaml") if "targets" in one]
    repository.write(flopcalc_yaml=file, experiment_yaml=TINY)
    assert [one.tolerance.shares for one in read_config("flopcalc.yaml").targets] == [
        {"params": 0, "macs": Fraction(1, 20)},
        {},
        dict.fromkeys(COMPARED, Fraction(1, 100)),
    ]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
