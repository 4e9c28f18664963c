"""What a cell says: the texts that nbval compares, and the claims with their numbers."""

import difflib

from notebooks import CLAIM, UNCOMMITTED


def texts(cell):
    """A code cell's outputs as `[[kind, text], ...]`: streams whole, every format but images, errors."""
    said = {}
    for output in cell.outputs:
        if output.output_type == "stream":
            said[output.name] = said.get(output.name, "") + output.text
        elif output.output_type == "error":
            said["error"] = said.get("error", "") + f"{output.ename}: {output.evalue}\n"
        else:
            for kind, text in output.data.items():
                if not UNCOMMITTED.match(kind):
                    said[kind] = said.get(kind, "") + f"{text}\n"
    return sorted(map(list, said.items()))


def claims(cell):
    """The claims that a code cell holds, with measured numbers and bounds."""
    return [output.data[CLAIM] for output in cell.outputs if CLAIM in output.get("data", {})]


def broken(claim):
    """Whether a claim's number is out of its bounds."""
    return not claim.get("at_least", float("-inf")) <= claim["measured"] <= claim.get("at_most", float("inf"))


def differing(committed, found):
    """The lines that one has and the other has not, marked with - and +."""
    before, after = ([line for _, text in said for line in text.splitlines()] for said in (committed, found))
    _, _, *lines = [*difflib.unified_diff(before, after, n=0, lineterm="")] or ["", ""]  # two lines of names come first
    return [f"{line[0]} {line[1:]}" for line in lines if line[0] in "-+"]
