"""Random equations of einsum."""

import random


def drawn(draw: random.Random, operands: int) -> tuple[str, list[tuple[int, ...]]]:
    """An equation and its sizes: letters that are repeated, axes of size 1, dots, with and without an arrow."""
    sizes = {letter: draw.choice([1, 2, 3, 5, 7, 10]) for letter in draw.choice(["ijk", "aBcd", "abcdef"])}
    of_dots = [draw.choice([1, 2, 3, 5]) for _ in range(draw.randrange(3))]
    terms, shapes = [], []
    for _ in range(operands):
        term = draw.choices([*sizes], k=draw.randrange(5))
        narrow = {letter: 1 if draw.random() < 0.2 else size for letter, size in sizes.items()}
        shape = [narrow[letter] for letter in term]
        if draw.random() < 0.3:
            place, missing = draw.randrange(len(term) + 1), draw.randrange(len(of_dots) + 1)
            term.insert(place, "...")
            shape[place:place] = [1 if draw.random() < 0.2 else size for size in of_dots[missing:]]
        terms.append("".join(term))
        shapes.append(tuple(shape))
    equation = ",".join(terms)
    if draw.random() < 0.7:
        used = sorted(set(equation) - {".", ","})
        out = draw.sample(used, draw.randrange(len(used) + 1))
        if "..." in equation and draw.random() < 0.7:
            out.insert(draw.randrange(len(out) + 1), "...")
        equation += "->" + "".join(out)
    return equation, shapes
