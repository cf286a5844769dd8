"""The lecture slides that several operators cite."""

from flopcalc.spec.source import Paper

# Its author and its year are not known.
SLIDES = Paper(
    key="slides_compact_filters",
    authors=(),
    title="Transferred/Compact Convolutional Filters",
    venue="lecture slides",
    year=None,
)
