"""Every reader of text and files with any text: it reads it, or refuses it in one line and one hint, and soon.

FLOPCALC_FUZZ=N draws N times as many texts, at random; without it they are few and always the same.
`make fuzz` looks for texts by what they cover.
"""

import os
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import TINY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import READERS, refuses

TIMES = int(os.environ.get("FLOPCALC_FUZZ", "0"))
# Seconds of the processor that a text of a user may take.
LATE = 10.0
PIECES = (
    *(
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "^",
        "**",
        "==",
        "<=",
        "<",
        "=",
        "(",
        ")",
        ",",
        ":",
        ".",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
    ),
    *(
        "0",
        "1",
        "2",
        "-1",
        "9" * 30,
        "9" * 400,
        "9" * 5000,
        "1e999",
        "1e-999",
        "0.1",
        "nan",
        "inf",
        ".5",
        "5.",
        "0x10",
        "1_0",
    ),
    *(" ", "  ", "\n", "\r\n", "\r", "\t", "\0", "\x1b[31m", "\ufeff", "\u2028", "\x85", "\ud800", "é", "٣", "²", "😀"),
    *(
        "true",
        "false",
        "null",
        "~",
        "None",
        "a",
        "macs",
        "k",
        "width",
        "and",
        "or",
        "not",
        "if",
        "else",
        "in",
        "lambda",
    ),
    *(
        "ceil(",
        "log2(",
        "sum(i, 1, 4000, ",
        "max(",
        "matches(",
        "divisible(",
        "round(",
        "9^9^9",
        "2^4000",
        "1/0",
        "0^-1",
    ),
    *("&a ", "*a", "!!python/object:x ", "<<: ", "- ", "? ", "|", ">", "#", "---", "...", "%YAML 1.1", "@", "`", "\\"),
    *("(" * 200, "-" * 700, "not " * 200, "[" * 200, "{a: " * 60, "1+" * 400, "x" * 1200, "a." * 60, "x," * 5000),
)


@st.composite
def texts(draw: st.DrawFn, seeds: tuple[str, ...]) -> str:
    """A seed with pieces cut, doubled, moved and inserted; now and then any text at all."""
    if draw(st.sampled_from([*[False] * 9, True])):
        return draw(st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.sampled_from([1, 1, 2, 3, 5]))):
        start = draw(st.integers(0, len(text)))
        end = min(start + draw(st.sampled_from([0, 0, 1, 1, 2, 5, 20])), len(text))
        # Words rather than letters, mostly.
        if draw(st.booleans()):
            while start and text[start - 1].isalnum():
                start -= 1
            while end < len(text) and text[end].isalnum():
                end += 1
        new = draw(st.sampled_from(["", *PIECES]) | st.just(text[start:end] * 2) | st.text(max_size=3))
        text = text[:start] + new + text[end:]
    return text


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that others name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "pairs.txt").write_text("@ README.md | FLOPs (G) | Params (M)\nresnet18 | 1.82 | 11.69\n")
    return tmp_path


def _in_time(name: str, text: str | bytes) -> bool:
    started = time.process_time()
    refused = refuses(READERS[name], text)
    assert time.process_time() - started < LATE, (name, text)
    return refused


def test_every_reader_takes_its_seeds(here: Path) -> None:
    """Otherwise little of it would be tested."""
    for name, reader in READERS.items():
        if reader.needs and find_spec(reader.needs) is None:
            continue
        assert not all(refuses(reader, seed) for seed in reader.seeds), name


@pytest.mark.parametrize("name", READERS)
@settings(
    suppress_health_check=list(HealthCheck), max_examples=40 * max(TIMES, 1), derandomize=not TIMES, database=None
)
@given(data=st.data())
def test_any_text(name: str, here: Path, data: st.DataObject) -> None:
    """Nothing but a FlopcalcError, and no value that is not a number."""
    _in_time(name, data.draw(texts(READERS[name].seeds), label="text"))


@pytest.mark.parametrize("name", [name for name, reader in READERS.items() if reader.file])
@settings(
    suppress_health_check=list(HealthCheck), max_examples=15 * max(TIMES, 1), derandomize=not TIMES, database=None
)
@given(data=st.data())
def test_any_bytes(name: str, here: Path, data: st.DataObject) -> None:
    """Files that are not text: bytes in the middle of a good file, other encodings, BOMs."""
    seed = data.draw(st.sampled_from(READERS[name].seeds))
    place = data.draw(st.integers(0, len(seed)))
    content = seed[:place].encode() + data.draw(st.binary(max_size=4)) + seed[place:].encode()
    start = data.draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\x1f\x8b"]))
    _in_time(name, start + content.replace(b"\n", data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))))


FOUND = {
    # What campaigns and the fuzzer found; each was a bug report or a warning of Python.
    "expression": (
        "(-a)^(1/3)",
        "log2(3) * 10^300 * 10^300",
        "log2(log2(3))",
        "floor(log2(3) * 10^308 * 10^308)",
        "1" + "+1" * 490,
    ),
    "compiled": ("(-a)^(1/3)", "-" * 990 + "true", "-" * 990 + "a"),
    "latex": ("7 // 2 % 3", "'x'", "not a", "-" * 990 + "a"),
    "yaml": ("\ud800a: 1",),
    "clause": ("1if k == 3else 0", "1" + "+1" * 490, "matches(name, '\\d')"),
    "condition": ("macs < 1" + "+1" * 490, "macs < " + "9" * 5000 + "M", "macs < 1." + "9" * 5000 + " G"),
    "limit": ("macs <= 1" + "+1" * 490,),
    "pairs": ("name: x\nusual: {macs: [<<: thop, macs], params: [params]}\n",),
    "plan": ("spconv:" + "x," * 4000, "spconv:" + "y" * 9000 + "=1," + "y" * 9000 + "=1"),
    "range": ("16:3\n:1", "16\n:3", "3,1:" + "6" * 30),
    "rows": ("\udcff", "\ufeff\0"),
    "settings": ("a\x0cb=1,a\x0cb=1",),
    "values": ("3\n:1", "1\u2028:0.5", "4:5,4:" + "1" * 30, "1:" + "1" * 30),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found(name: str, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """And nothing on standard error, where Python warns of odd source."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for text in FOUND[name]:
            _in_time(name, text)
    assert capfd.readouterr().err == ""


LARGE = {
    # Python reads no more than 4300 digits.
    "digits and a unit": "9" * 5000 + "M",
    "decimals and a unit": "1." + "9" * 5000 + "G",
    "one line": "x" * 5_000_000,
    "brackets": "[" * 100_000,
    "braces": "{a: " * 50_000,
    "dashes": "- " * 100_000,
    "commas": "1," * 400_000,
    "signs": "-" * 100_000,
    "few brackets": "(" * 900,
    "few signs": "-" * 990 + "true",
    "sums": "1" + "+1" * 490,
    "lines": "a: 1\n" * 90_000,
}


@pytest.mark.parametrize("name", READERS)
def test_large_texts(name: str, here: Path) -> None:
    """Long lines, deep nesting, many items."""
    for text in LARGE.values():
        _in_time(name, text)


@pytest.mark.parametrize("name", ["expression", "targets"])
def test_one_line_of_100_megabytes(name: str, here: Path) -> None:
    _in_time(name, "x" * 100_000_000)
