"""The sources that `flopcalc reproduce` compares: tables of papers, and rows of parameters and FLOPs."""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from flopcalc.errors import FlopcalcError, clip, unknown_name
from flopcalc.published import pairs, tables
from flopcalc.published.compare import Comparison, compare
from flopcalc.published.pair_figures import compare_source
from flopcalc.published.rows import stem

_ROWS = (".csv", ".txt")


class Sources(NamedTuple):
    """Chosen sources: tables of papers, and those with rows of two figures."""

    tables: tuple[tables.Published, ...]
    pairs: tuple[pairs.Source, ...]

    def comparisons(self) -> Iterator[Comparison]:
        """All their figures compared with ours."""
        for one in self.tables:
            yield from map(compare, one.figures)
        for source in self.pairs:
            yield from compare_source(source)

    @property
    def titles(self) -> dict[str, str]:
        """The name of each source by its key."""
        found = {one.key: f"{one.name} ({one.repository})" for one in self.pairs}
        return found | {one.key: one.paper.short for one in self.tables}


def shipped() -> Sources:
    """All shipped sources."""
    return Sources(tuple(map(tables.load, tables.names())), tuple(map(pairs.load, pairs.names())))


def names() -> list[str]:
    """Keys of all shipped sources."""
    return sorted({*tables.names(), *pairs.names()})


def chosen(wanted: Iterable[str], rules: str = "") -> Sources:
    """The sources of these names: keys, operators, files of tables (.yaml) and of rows (.csv, .txt); all if empty.

    rules: the source that has the rules for files of rows; by default the one with the name of the file.
    Raises FlopcalcError (unknown-paper, unknown-source, bad-table), and (bad-usage) for rules without a file of rows.
    """
    wanted = list(dict.fromkeys(wanted))
    if rules and not any(name.endswith(_ROWS) for name in wanted):
        given = ", ".join(wanted) or "all shipped sources"
        raise FlopcalcError(
            "bad-usage",
            f"--rules has no effect on {clip(given)}: it is for files of rows (.csv, .txt)",
            "leave it out; a table (.yaml) has its own rules, and so has a shipped source",
        )
    if not wanted:
        return shipped()
    found: list[tables.Published] = []
    rows: list[pairs.Source] = []
    for name in wanted:
        if name.endswith(_ROWS):
            rows.append(pairs.with_rows(pairs.load(_rules(name, rules)), name))
            continue
        some = tables.find(name)
        found += some
        rows += [pairs.load(name)] if name in pairs.names() else []
        if not some and name not in pairs.names():
            how = f"sources: {', '.join(names())}; for your own table give a path that ends in .yaml"
            raise unknown_name("paper", name, names(), how)
    return Sources(tuple(dict.fromkeys(found)), tuple(rows))


def _rules(path: str, rules: str) -> str:
    """The source with the rules for a file of rows."""
    if rules:
        if rules not in pairs.names():
            raise unknown_name("source", rules, pairs.names(), f"sources with rules: {', '.join(pairs.names())}")
        return rules
    for name in sorted(pairs.names(), key=len, reverse=True):
        if stem(path).startswith(name):
            return name
    raise FlopcalcError(
        "bad-table",
        f"no source has rules for {clip(os.path.basename(path))}",
        f"name the source with --rules; one of: {', '.join(pairs.names())}",
    )
