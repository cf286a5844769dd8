"""Text for streams that cannot write every character."""

from unicodedata import normalize

_ASCII = {
    "\u2500": "-",
    "\u2588": "#",
    "\u258f": "|",
    "\u2026": "...",
    "\u2013": "-",
    "\u2014": "-",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2192": "->",
    "\u00d7": "x",
}


def encodable(text: str, encoding: str, fmt: str) -> str:
    """The text with only characters of an encoding.

    JSON, HTML and XML get their own escapes, so nothing is lost, and become ASCII, since their readers expect UTF-8.
    Elsewhere a rule becomes hyphens, a letter loses its accent, and all else becomes `?`.
    """
    if fmt in ("html", "junit"):
        return text.encode("ascii", "xmlcharrefreplace").decode("ascii")
    if fmt in ("json", "sarif"):
        return "".join(letter if letter.isascii() else json_escape(letter) for letter in text)
    return "".join(_other(letter, encoding) for letter in text)


def json_escape(letter: str) -> str:
    r"""A character as \uXXXX; one above U+FFFF as two of these."""
    data = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[i]:02x}{data[i + 1]:02x}" for i in range(0, len(data), 2))


def _other(letter: str, encoding: str) -> str:
    for candidate in (letter, _ASCII.get(letter, ""), normalize("NFKD", letter).encode("ascii", "ignore").decode()):
        try:
            if candidate.encode(encoding):
                return candidate
        except UnicodeEncodeError:
            pass
    return "?"
