"""Papers as citations: one line of text, or BibTeX."""

from flopcalc.spec.source import Paper

# The full names of venues, for a list of references.
_PROCEEDINGS = {
    "CVPR": "Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
    "CVPRW": "Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR) Workshops",
    "ECCV": "Proceedings of the European Conference on Computer Vision (ECCV)",
    "ICCV": "Proceedings of the IEEE/CVF International Conference on Computer Vision (ICCV)",
    "ICCVW": "Proceedings of the IEEE International Conference on Computer Vision (ICCV) Workshops",
    "ICLR": "International Conference on Learning Representations (ICLR)",
    "ICML": "Proceedings of the International Conference on Machine Learning (ICML)",
    "IJCAI": "Proceedings of the International Joint Conference on Artificial Intelligence (IJCAI)",
    "BMVC": "Proceedings of the British Machine Vision Conference (BMVC)",
    "NeurIPS": "Advances in Neural Information Processing Systems (NeurIPS)",
    "NIPS": "Advances in Neural Information Processing Systems (NIPS)",
}


def text(paper: Paper) -> str:
    """`Zhang, C., Xu, Y., ...: Title. Proceedings, pages, 2021. arXiv:2106.10486. doi:...`"""
    parts = [f"{', '.join(map(_initials, paper.authors))}: {paper.title}" if paper.authors else paper.title]
    where = [_PROCEEDINGS.get(paper.venue, paper.venue), f"pp. {paper.pages}" if paper.pages else ""]
    parts.append(", ".join(filter(None, [*where, str(paper.year or "")])))
    parts += [f"arXiv:{paper.arxiv}"] if paper.arxiv else []
    parts += [f"doi:{paper.doi}"] if paper.doi else []
    return " ".join(part if part.endswith(("?", "!", ".")) else f"{part}." for part in parts if part)


def _initials(author: str) -> str:
    family, _, given = author.partition(", ")
    names = " ".join("-".join(f"{piece[0]}." for piece in name.split("-")) for name in given.split())
    return f"{family}, {names}" if names else family


def bibtex(paper: Paper) -> str:
    """One entry. Capitals of the title are protected, since styles lower them."""
    fields = {
        "author": " and ".join(paper.authors),
        "title": f"{{{paper.title}}}",
        "booktitle": _PROCEEDINGS.get(paper.venue, ""),
        "howpublished": "" if paper.venue in _PROCEEDINGS else paper.venue,
        "pages": paper.pages.replace("-", "--"),
        "year": str(paper.year or ""),
        "doi": paper.doi,
        "eprint": paper.arxiv,
        "archiveprefix": "arXiv" if paper.arxiv else "",
    }
    kind = "inproceedings" if paper.venue in _PROCEEDINGS else "misc"
    lines = [f"  {name:13} = {{{value}}}," for name, value in fields.items() if value and value != "{}"]
    return "\n".join([f"@{kind}{{{paper.key},", *lines, "}"])
