"""How long a reader needs, by one formula, and how long a proof is in print.

Words are read at 130 a minute, a formula in the text counts as two. A displayed formula takes twenty seconds, a figure or a
cell of code that is shown half a minute. In a proof all of this takes twice as long. Self-checks, exercises and their
solutions do not count.
"""

import re

from docutils import nodes
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node
from sphinx_proof.nodes import proof_node

SPEED, INLINE, DISPLAYED, SHOWN = 130, 2, 1 / 3, 1 / 2  # words a minute, words, minutes, minutes
WORDS_A_LINE, FORMULA = 15, 2  # of print; lines of a displayed formula, beside one a row
STAR = "★"
LONG = 6  # lines, from which on a proof is folded


def is_starred(node):
    return isinstance(node, nodes.section) and node.children and node[0].astext().rstrip().endswith(STAR)


def is_element(node, name):
    return isinstance(node, nodes.container) and node.get("nb_element") == name


def is_hidden(cell):
    return any(re.fullmatch(r"tag_(hide|remove)-(input|cell)", name) for name in cell["classes"])


def is_apart(node):
    """Exercises and solutions, which are not read but done."""
    return isinstance(node, (exercise_node, exercise_enumerable_node, solution_node))


def minutes(node, passed_over=lambda node: False):
    """The minutes that a node takes to read, without the parts that `passed_over` names."""
    if is_apart(node) or passed_over(node):
        return 0.0
    if isinstance(node, nodes.math_block):
        return DISPLAYED
    if isinstance(node, nodes.math):
        return INLINE / SPEED
    if isinstance(node, nodes.Text):
        return len(node.split()) / SPEED
    if is_element(node, "cell_code_source"):
        return 0.0 if is_hidden(node.parent) else SHOWN
    if is_element(node, "cell_code_output"):
        return sum(minutes(each, passed_over) for each in node.findall(nodes.figure))
    if isinstance(node, (nodes.comment, nodes.raw, nodes.literal_block, nodes.target)):
        return 0.0
    slowly = 2 if isinstance(node, proof_node) else 1
    own = SHOWN if isinstance(node, nodes.figure) else 0.0
    return own + slowly * sum(minutes(child, passed_over) for child in node.children)


def lines(node):
    """The lines of print that a proof takes."""
    words = sum(len(text.split()) for text in node.findall(nodes.Text) if not isinstance(text.parent, nodes.math_block))
    rows = sum(FORMULA + block.astext().count(r"\\") for block in node.findall(nodes.math_block))
    return words / WORDS_A_LINE + rows


def is_long(node):
    """Whether a node is a proof that is folded."""
    return isinstance(node, proof_node) and lines(node) > LONG
