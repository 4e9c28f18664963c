"""A measured number in a sentence: `{measured}` `7: RFLO, eight runs` is what a cell measured for claim 7 under words that begin so.

It links to the claim's place on the map, where the bound stands. Words that begin no measurement, or more than one, are a warning.
"""

from claims import records, shown
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

logger = logging.getLogger(__name__)


class measured(nodes.Inline, nodes.Element):
    """Stands for the number until all pages are read."""


class Measured(SphinxRole):
    def run(self):
        number, _, words = self.text.partition(": ")
        node = measured(number=number, words=words)
        self.set_source_info(node)
        return [node], []


class Fill(SphinxPostTransform):
    default_priority = 3

    def run(self, **kwargs):
        for node in list(self.document.findall(measured)):
            found = [
                entry
                for _, page in sorted(records(self.env).items())
                for entry in page["measured"]
                if str(entry["number"]) == node["number"] and entry["what"].startswith(node["words"])
            ]
            if len(found) != 1:
                said = f"measured: expected the beginning of one measurement of {node['number']}, got {node['words']!r}, of {len(found)}"
                logger.warning(said, location=node, type="claims")
                continue
            target = {"refdomain": "std", "reftype": "ref", "reftarget": f"map-claim-{node['number']}", "refexplicit": True}
            node.replace_self(pending_xref("", nodes.inline("", shown(found[0])), refdoc=self.env.docname, **target))


def outdated(app, env, added, changed, removed):
    """Numbers come from other pages: pages that show them are written anew whenever the map is."""
    return {docname for docname in env.found_docs if docname == "the_hour"} if added | changed | removed else set()


def setup(app):
    app.add_node(measured)
    app.add_role("measured", Measured())
    app.add_post_transform(Fill)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
