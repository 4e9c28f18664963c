"""The letters of formulas, and what the notation page says that they mean.

A letter is what stands for one thing: `w`, `\\hat w`, `\\mathcal N`, `\\xi`; what is written above, below or behind it to
say which one (an index, a bar, a star) is not part of it. On the notation page a row of a table whose first column is headed
*symbol* declares the letters of its first cell; under *chapter* and *symbol*, for that chapter alone. A chapter's own
meaning comes before the general one, and of general ones the first on the page.
"""

import re
from dataclasses import dataclass, field

from docutils import nodes

NOTATION = "reference/notation"
GREEK = """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho
    sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell""".split()
KEPT = ("hat", "widehat", "tilde", "mathcal", "mathfrak", "mathbb", "mathsf")  # which make another letter
GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
UPRIGHT = re.compile(
    rf"\\(?:text(?:bf|it|rm|tt)?|math(?:rm|tt)|operatorname\*?|mbox|label|tag|begin|end)(?![A-Za-z])\s*(?:{GROUP}|[A-Za-z])"
)
LINE_END = re.compile(r"\\\\(?:\[[^\]]*\])?")
NORM = re.compile(r"\\rVert_F(?![A-Za-z])")
DIFFERENTIAL = re.compile(
    r"(?<![A-Za-z\\])d(?=[A-Za-z]|\\[A-Za-z]|\([A-Z])|frac\s*\{d(\^\d)?\}|(?<=\{)d(?= *\\m)|(?<![A-Za-z\\])d\^\d"
)
EXPONENTIAL = re.compile(r"(?<![A-Za-z\\])e(?=\^)")
LETTER = re.compile(
    rf"\\(?P<kept>{'|'.join(KEPT)})(?![a-zA-Z])\s*\{{?\s*(?P<base>\\[A-Za-z]+|[A-Za-z])"
    rf"|\\(?P<greek>{'|'.join(GREEK)})(?![a-zA-Z])|\\[A-Za-z]+|(?P<latin>[A-Za-z])"
)
INDEX = re.compile(rf"[_^]\s*(?:{GROUP}|\\[A-Za-z]+|.)")


def letters(tex):
    r"""The letters of a formula, in the order in which they come.

    >>> letters(r"\Delta W = \hat w^l R^\top e_T + \tfrac{d}{dt}\bar W")
    ['Delta', 'W', 'hat w', 'l', 'R', 'e', 'T', 't']
    >>> letters(r"\begin{aligned} &\textbf{BPTT} \\[4pt] \dot a &= \lVert d\Theta \rVert_F^2 \end{aligned}")
    ['a', 'Theta']
    """
    for apart in (LINE_END, UPRIGHT, NORM, DIFFERENTIAL, EXPONENTIAL):
        tex = apart.sub(" ", tex)
    found = []
    for match in LETTER.finditer(tex):
        letter = match["greek"] or match["latin"]
        if match["kept"]:
            letter = f"{match['kept'].removeprefix('wide')} {match['base'].removeprefix(chr(92))}"
        if letter:
            found.append(letter)
    return list(dict.fromkeys(found))


def formulas(node, passed_over=lambda node: False):
    """The formulas of a page, in order, without the parts that `passed_over` names."""
    if passed_over(node):
        return []
    if isinstance(node, (nodes.math, nodes.math_block)):
        return [node.astext()]
    return [tex for child in node.children for tex in formulas(child, passed_over)]


def letters_of(node, passed_over=lambda node: False):
    """The letters of the formulas of a page, in the order in which they come."""
    return list(dict.fromkeys(letter for tex in formulas(node, passed_over) for letter in letters(tex)))


@dataclass
class Notation:
    """The rows of the notation page: `{anchor: (symbol, meaning)}`, and which of them a letter has in each chapter."""

    rows: dict = field(default_factory=dict)
    general: dict = field(default_factory=dict)
    own: dict = field(default_factory=dict)

    def row(self, letter, chapter):
        """The anchor of the row that says what a letter means in a chapter; None where none does."""
        return self.own.get((chapter, letter), self.general.get(letter))


def read_notation(document):
    """Give the rows of the page their anchors, and note what they declare."""
    notation = Notation()
    for table in document.findall(nodes.table):
        head, *rows = table.findall(nodes.row)
        columns = [entry.astext().strip() for entry in head]
        if "symbol" not in columns or "meaning" not in columns:
            continue
        for row in rows:
            cells = dict(zip(columns, row.children))
            declared = [letter for tex in formulas(cells["symbol"]) for letter in letters(INDEX.sub(" ", tex))]
            chapters = [int(number) for number in re.findall(r"\d+", cells["chapter"].astext())] if "chapter" in cells else [None]
            for chapter in chapters:
                known = notation.general if chapter is None else {letter for at, letter in notation.own if at == chapter}
                new = [letter for letter in dict.fromkeys(declared) if letter not in known]
                if not new:
                    continue
                anchor = "-".join(["symbol", *map(str, chapters[:1] if chapter else []), *new]).replace(" ", "-")
                if anchor not in row["ids"]:
                    row["ids"].append(anchor)
                notation.rows[anchor] = cells["symbol"].deepcopy(), cells["meaning"].deepcopy()
                for letter in new:
                    if chapter is None:
                        notation.general[letter] = anchor
                    else:
                        notation.own[chapter, letter] = anchor
    return notation
