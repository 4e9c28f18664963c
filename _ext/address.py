"""Take the repository's address from the environment, so that a fork's book points at the fork and installs it.

`BOOK_REPOSITORY` is an https address such as a forge shows in the browser, `BOOK_BRANCH` the branch that holds the
chapters (main unless set). Without the first, the book has no repository link and no launch buttons. The directive `install` is
the command that installs the package from there.
"""

import os
import re

from docutils import nodes
from sphinx.errors import ConfigError
from sphinx.util.docutils import SphinxDirective

FORM = r"https://[^/]*(github|gitlab|bitbucket)[^/]*(/[\w.-]+){2,}"
BINDER = "https://mybinder.org"
COLAB = "https://colab.research.google.com"


def use_address(app, config):
    address = os.environ.get("BOOK_REPOSITORY", "").rstrip("/").removesuffix(".git")
    if not address:
        return
    if not re.fullmatch(FORM, address):
        raise ConfigError(f"BOOK_REPOSITORY: got {address!r}, need one like https://github.com/OWNER/NAME")
    launch = {"notebook_interface": "jupyterlab", "binderhub_url": BINDER}
    if address.startswith("https://github.com/"):
        launch["colab_url"] = COLAB  # which opens notebooks from nowhere else
    config.html_theme_options.update(
        repository_url=address,
        repository_branch=os.environ.get("BOOK_BRANCH") or "main",
        use_repository_button=True,
        launch_buttons=launch,
    )


class Install(SphinxDirective):
    def run(self):
        address = self.config.html_theme_options.get("repository_url")
        command = f'pip install "lrnnbook[book] @ git+{address or "ADDRESS"}"'
        block = [nodes.literal_block(command, command, language="sh")]
        if address:
            return block
        words = " stands for the address of the book's repository, as your browser shows it: this copy was built without one."
        return [*block, nodes.paragraph("", "", nodes.literal("ADDRESS", "ADDRESS"), nodes.Text(words))]


def setup(app):
    app.connect("config-inited", use_address)
    app.add_directive("install", Install)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
