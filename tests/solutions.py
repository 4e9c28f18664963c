"""A chapter's solutions in both their forms: a directive `{solution}`, or cells from `{solution-start}` to `{solution-end}`."""

import re
from typing import NamedTuple

from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin

PARSER = MarkdownIt("commonmark").use(colon_fence_plugin)
FENCES = ("fence", "colon_fence", "code_block")
OPTION = re.compile(r"^:([\w-]+):[ \t]*(.*)$", re.M)
PYTHON = re.compile(r"\b(i?python3?|py|pycon|pytb)\b|\{(code-cell|literalinclude)\}", re.I)
STATEMENT = re.compile(
    r"""^\s*(
        >>>|In\s\[|%%?\w                                              # a prompt, a magic
        |(import|from)\s+\w|(def|class|for|while|if|with|try)\b.*:\s*$|(return|raise|assert)\b
        |[\w.,\s]+(\[[^\]]*\])?\s*[-+*/@]?=(?!=)\s*\S                 # an assignment
        |[A-Za-z_][\w.]*\(.*                                          # a call
    )""",
    re.M | re.X,
)


class Solution(NamedTuple):
    label: str
    options: dict
    tokens: list  # of its Markdown, parsed


def directive(token):
    """The name and the argument of a directive; empty for any other token."""
    match = re.match(r"\{([\w:-]+)\}[ \t]*(.*)", token.info.strip()) if token.type in FENCES else None
    return (match[1], match[2].strip()) if match else ("", "")


def read_solutions(notebook):
    """The solutions in order, and what is wrong with their starts and ends."""
    solutions, wrong, opened = [], [], None
    for number, cell in enumerate(notebook.cells, 1):
        for token in PARSER.parse(cell.source) if cell.cell_type == "markdown" else []:
            (name, label), text = directive(token), token.content
            if name == "solution":
                solutions.append(Solution(label, dict(OPTION.findall(text)), PARSER.parse(text)))
            elif name == "solution-start":
                if opened:
                    wrong.append(f"cell {number}: {label} starts before {opened.label} has ended")
                if OPTION.sub("", text).strip():
                    wrong.append(f"cell {number}: the text of {label} belongs below its start, not in it")
                opened = Solution(label, dict(OPTION.findall(text)), [])
                solutions.append(opened)
            elif name == "solution-end":
                if not opened:
                    wrong.append(f"cell {number}: a solution ends that has not started")
                opened = None
            elif opened:
                opened.tokens.append(token)
    return solutions, wrong + ([f"{opened.label} does not end"] if opened else [])


def code_that_is_not_run(tokens):
    """The fences with Python among Markdown tokens, those within directives too, labelled as such or not."""
    for token in tokens:
        if token.type not in FENCES:
            continue
        if PYTHON.search(token.info):
            yield token.content
        elif directive(token)[0] in ("", "code", "code-block", "sourcecode"):
            if STATEMENT.search(OPTION.sub("", token.content)):
                yield token.content
        else:
            yield from code_that_is_not_run(PARSER.parse(token.content))
