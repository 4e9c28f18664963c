"""What the cells of a page put out when they were executed, beyond what MyST-NB shows of it."""

from contextlib import suppress

import nbformat
from docutils import nodes
from jupyter_cache import get_cache


def notebook(env, docname):
    """The notebook of a page with the outputs that the page shows; None for a page without cells."""
    path = env.doc2path(docname)
    if not path.endswith(".ipynb"):
        return None
    found = nbformat.read(path, as_version=4)
    with suppress(KeyError):  # where nothing is executed, the notebook has its own outputs
        _, found = get_cache(env.mystnb_config.execution_cache_path).merge_match_into_notebook(found)
    return found


def data(env, mime):
    """The data of that type on the page that is being read, in order; on a page without cells, none."""
    found = notebook(env, env.docname)
    cells = found.cells if found else []
    outputs = (output.get("data", {}) for cell in cells for output in cell.get("outputs", []))
    return [output[mime] for output in outputs if mime in output]


def places(doctree):
    """The places of outputs on a page, each with its text."""
    for node in list(doctree.findall(nodes.container)):
        if node.get("nb_element") == "mime_bundle":
            yield node, "".join(child.astext() for child in node if child.get("mime_type") == "text/plain").strip()
