"""Equations as MathML, which browsers typeset without any script."""

from xml.etree import ElementTree

from latex2mathml.converter import convert

_NAMESPACE = "http://www.w3.org/1998/Math/MathML"


def mathml(latex: str, *, block: bool = False) -> str:
    """A `math` element for an expression in LaTeX, with the LaTeX as annotation, for readers who copy it."""
    ElementTree.register_namespace("", _NAMESPACE)
    # The text is our own LaTeX as converted, not a document of somebody else.
    math = ElementTree.fromstring(convert(latex, display="block" if block else "inline"))  # noqa: S314
    semantics = ElementTree.Element(f"{{{_NAMESPACE}}}semantics")
    semantics.extend(list(math))
    note = ElementTree.SubElement(semantics, f"{{{_NAMESPACE}}}annotation", encoding="application/x-tex")
    note.text = latex
    for child in list(math):
        math.remove(child)
    math.append(semantics)
    return ElementTree.tostring(math, encoding="unicode")
