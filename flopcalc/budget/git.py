"""The files of another revision of a git repository, written to a temporary folder.

Git is only asked to read: objects are listed and printed. Working tree, index, branches, stash and configuration stay
as they are, no filter and no hook runs, and nothing is fetched. The contents are those that were committed, whatever
`.gitattributes` says about archives and line endings.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import IO, NamedTuple

from flopcalc.errors import ExitCode, FlopcalcError, clip, reason

# Larger files hold weights and data, which no cost depends on.
LARGEST = 50_000_000
_CHUNK = 1 << 20
_NOTHING: Mapping[str, str] = MappingProxyType({})
_LINK, _SUBMODULE = "120000", "160000"
_QUIET = {
    # No lock, not even to refresh the index; no question; no object from a server.
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "LC_ALL": "C",
}


class Revision(NamedTuple):
    """A revision whose files are in a folder. name: as the user gave it. commit: the full hash.

    top: the root of the repository, as a real path; files: the folder with the files of the revision.
    changed: whether the working tree differs from its last commit. missing: submodules that are not there. renamed: for
    files that have another path now, by that path, the path that they had; they are in the folder under both.
    """

    name: str
    commit: str
    top: str
    files: str
    changed: bool
    missing: tuple[str, ...] = ()
    renamed: Mapping[str, str] = _NOTHING

    @property
    def label(self) -> str:
        """`main (1a2b3c4d5e)`; a hash alone where that is what the user gave."""
        short = self.commit[:10]
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"

    def path(self, path: str) -> str:
        """Where the file or folder at a path of the repository is among the files of the revision.

        Raises FlopcalcError (not-in-repository).
        """
        inside = relative(path, self.top)
        if inside is None:
            raise FlopcalcError(
                "not-in-repository",
                f"{clip(path)} is not in the git repository {clip(self.top)}",
                "name a file of this repository",
            )
        return os.path.join(self.files, inside) if inside != "." else self.files


def relative(path: str, top: str) -> str | None:
    """A path from the root of a repository; None for one that is not in it. A link itself is not followed."""
    folder, name = os.path.split(os.path.abspath(path))
    real = os.path.join(os.path.realpath(folder), name)
    found = os.path.relpath(real, top)
    return None if found == os.pardir or found.startswith(os.pardir + os.sep) or os.path.isabs(found) else found


@contextmanager
def revision(name: str, folder: str) -> Iterator[Revision]:
    """The files of a revision of the repository that a folder is in, until the block has ended.

    Raises FlopcalcError (no-repository, unknown-revision, git-failed, unwritable-file, missing-package).
    """
    top = _top(folder)
    commit = _commit(name, top)
    with tempfile.TemporaryDirectory(prefix="flopcalc-", ignore_cleanup_errors=True) as temporary:
        files = os.path.join(os.path.realpath(temporary), "files")
        try:
            missing = tuple(_write(top, commit, files))
            renamed = dict(_also_renamed(top, commit, files))
        except OSError as error:
            why = f"cannot write the files of {clip(name)} to a temporary folder: {error.strerror or reason(error)}"
            hint = "make room there, or name another folder in the environment variable TMPDIR"
            raise FlopcalcError("unwritable-file", why, hint) from None
        yield Revision(name, commit, top, files, _changed(top), missing, renamed)


def _top(folder: str) -> str:
    """The root of the repository."""
    done = _git(["rev-parse", "--show-toplevel"], folder)
    if done.returncode:
        why = _why(done)
        if "not a git repository" in why:
            raise FlopcalcError(
                "no-repository",
                f"{clip(os.path.abspath(folder))} is not in a git repository",
                "run the command in a folder of your repository, or compare two files: flopcalc diff A B",
            )
        if "must be run in a work tree" in why:
            raise _no_files(folder)
        if "dubious ownership" in why:
            raise FlopcalcError(
                "git-failed",
                f"git does not trust {clip(os.path.abspath(folder))}, which belongs to another user",
                "run git config --global --add safe.directory FOLDER, with the folder of the repository",
            )
        raise _failed("rev-parse", why, folder)
    found = os.fsdecode(done.stdout).removesuffix("\n")
    if not found:
        raise _no_files(folder)
    return os.path.realpath(found)


def _no_files(folder: str) -> FlopcalcError:
    """The error in a bare repository, and inside the folder .git of another one."""
    why = f"{clip(os.path.abspath(folder))} is part of a git repository, but has no working tree"
    return FlopcalcError("no-repository", why, "run the command in a folder where a branch is checked out")


def _commit(name: str, top: str) -> str:
    """The full hash of a revision."""
    if name and "\x00" not in name:
        done = _git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"], top)
        if not done.returncode:
            return done.stdout.decode("ascii").strip()
    hint = "`git log --oneline` and `git branch -a` show what there is"
    if name and not name.startswith("-"):
        remote = _git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"origin/{name}^{{commit}}"], top)
        if not remote.returncode:
            hint = f"there is origin/{name}: give that"
        elif _git(["rev-parse", "--is-shallow-repository"], top).stdout.strip() == b"true":
            hint = "the clone is shallow: fetch the history first (in CI, with fetch-depth: 0)"
    if _git(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], top).returncode:
        hint = "the repository has no commit yet: commit first"
    raise FlopcalcError("unknown-revision", f"{clip(name)} is not a revision of the git repository {clip(top)}", hint)


def _changed(top: str) -> bool:
    """Whether files under version control differ from the last commit."""
    done = _git(["status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"], top)
    return bool(done.stdout.strip())


class _Entry(NamedTuple):
    mode: str
    object: str
    size: int
    path: str


def _write(top: str, commit: str, folder: str) -> Iterator[str]:
    """Write the files of a commit into a folder. Yields the paths of submodules that are not there."""
    os.makedirs(folder)
    entries = list(_entries(top, commit))
    wanted = [one for one in entries if one.mode != _SUBMODULE and one.size <= LARGEST]
    with tempfile.TemporaryFile() as names:
        names.write("".join(f"{one.object}\n" for one in wanted).encode("ascii"))
        names.seek(0)
        with _running(["cat-file", "--batch"], top, names) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            for one in wanted:
                _write_entry(one, process.stdout, folder)
    for one in entries:
        if one.mode != _SUBMODULE:
            continue
        inside = os.path.join(top, one.path)
        if os.path.exists(os.path.join(inside, ".git")) and not _git(["cat-file", "-e", one.object], inside).returncode:
            for path in _write(inside, one.object, os.path.join(folder, one.path)):
                yield os.path.join(one.path, path)
        else:
            os.makedirs(os.path.join(folder, one.path), exist_ok=True)
            yield one.path


def _entries(top: str, commit: str) -> Iterator[_Entry]:
    done = _git(["ls-tree", "-r", "-l", "-z", "--full-tree", commit], top)
    if done.returncode:
        raise _failed("ls-tree", _why(done), top)
    for line in done.stdout.split(b"\0"):
        if line:
            words, _, path = line.partition(b"\t")
            mode, _, name, size = words.decode("ascii").split()
            text = os.fsdecode(path)
            if _is_safe(text):
                yield _Entry(mode, name, 0 if size == "-" else int(size), text)


def _also_renamed(top: str, commit: str, folder: str) -> Iterator[tuple[str, str]]:
    """Copy files that were renamed since the commit to their present paths. Yields the present and the old path."""
    # The index is compared, with what is staged: for files of the working tree git would run filters.
    asked = ["diff-index", "--cached", "-r", "-M", "--diff-filter=R", "--name-status", "-z", commit, "--"]
    pieces = [os.fsdecode(one) for one in _git(asked, top).stdout.split(b"\0")]
    for old, new in zip(pieces[1::3], pieces[2::3], strict=False):
        source, target = os.path.join(folder, old), os.path.join(folder, new)
        # On a file system that ignores case, the present path may be that of the old file.
        if os.path.isfile(source) and not os.path.lexists(target) and _is_safe(new):
            # A file of the revision may have the name of what is a folder now.
            with suppress(FileExistsError, NotADirectoryError):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copyfile(source, target, follow_symlinks=False)
                yield new, old


def _is_safe(path: str) -> bool:
    """Whether a path stays inside; git itself makes no other ones."""
    pieces = path.split("/")
    return not os.path.isabs(path) and not any(one in ("", ".", "..") or one.lower() == ".git" for one in pieces)


def _write_entry(one: _Entry, stream: IO[bytes], folder: str) -> None:
    """Write the next object of `git cat-file --batch`."""
    header = stream.readline().split()
    if len(header) != 3 or header[1] != b"blob":
        # An object that a partial clone does not have: its file is left out.
        return
    path, left = os.path.join(folder, one.path), int(header[2])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if one.mode == _LINK:
        target = os.fsdecode(stream.read(left))
        # A link that leads out of the revision would show the present files.
        if relative(os.path.join(os.path.dirname(path), target), folder) is not None and not os.path.isabs(target):
            os.symlink(target, path)
    else:
        with open(path, "wb") as file:
            while left:
                piece = stream.read(min(left, _CHUNK))
                if not piece:
                    raise _failed("cat-file", "it ended too early", folder)
                file.write(piece)
                left -= len(piece)
    stream.read(1)


def _command(arguments: Sequence[str]) -> list[str]:
    # A file system monitor is a program of the user's, which has nothing to do here.
    return ["git", "-c", "core.fsmonitor=false", *arguments]


def _git(arguments: Sequence[str], folder: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder. Raises FlopcalcError (missing-package) where it is not installed."""
    try:
        return subprocess.run(  # noqa: S603 - a list of words, without a shell
            _command(arguments),
            cwd=folder or ".",
            env={**os.environ, **_QUIET},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _no_git(error, folder) from None


@contextmanager
def _running(arguments: Sequence[str], folder: str, stdin: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(  # noqa: S603 - a list of words, without a shell
        _command(arguments),
        cwd=folder,
        env={**os.environ, **_QUIET},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _no_git(error: OSError, folder: str) -> FlopcalcError:
    if os.path.isdir(folder or "."):
        why = "comparing with another revision needs git, which is not installed"
        return FlopcalcError("missing-package", why, "install git, and see that it is in PATH", ExitCode.MISSING)
    return FlopcalcError("no-repository", f"{clip(folder)} is not a folder: {reason(error)}", "name an existing folder")


def _why(done: "subprocess.CompletedProcess[bytes]") -> str:
    return done.stderr.decode("utf-8", "replace")


def _failed(what: str, why: str, folder: str) -> FlopcalcError:
    return FlopcalcError(
        "git-failed", f"git {what} fails in {clip(folder)}: {reason(why)}", "run `git fsck` there to see what is wrong"
    )
