"""Take the addresses of the repository and of the site from the environment: a fork's book points at the fork and installs it.

`BOOK_REPOSITORY` is an https address such as a forge shows in the browser, `BOOK_BRANCH` the branch that holds the
chapters (main unless set), `BOOK_NOTEBOOKS_BRANCH` the one that holds what the site has in its folder `notebooks`
(standalone.py), where Binder and Colab open them: they read repositories, not sites. On GitHub it is `notebooks` unless set, the
one that the workflow publishes. Without `BOOK_REPOSITORY` the book has no links to a repository and no launch buttons.
`BOOK_SITE` is the address at which the site is published. The directive `install` is the command that installs the package from
the repository.
"""

import os
import re
from urllib.parse import quote

from docutils import nodes
from sphinx.errors import ConfigError
from sphinx.util.docutils import SphinxDirective

FORM = r"https://[^/]*(github|gitlab|bitbucket)[^/]*(/[\w.-]+){2,}"
BINDER = "https://mybinder.org/v2"
COLAB = "https://colab.research.google.com/github"  # which opens notebooks from nowhere else
GITHUB, GITLAB = "https://github.com/", "https://gitlab.com/"


def use_address(app, config):
    site = os.environ.get("BOOK_SITE", "")
    if site and not re.fullmatch(r"https?://[^\s?#]+", site):
        raise ConfigError(f"BOOK_SITE: got {site!r}, need an address like https://OWNER.github.io/NAME/")
    config.book_site = site and site.rstrip("/") + "/"
    address = os.environ.get("BOOK_REPOSITORY", "").rstrip("/").removesuffix(".git")
    if not address:
        return
    if not re.fullmatch(FORM, address):
        raise ConfigError(f"BOOK_REPOSITORY: got {address!r}, need one like https://github.com/OWNER/NAME")
    config.html_theme_options.update(
        repository_url=address,
        repository_branch=os.environ.get("BOOK_BRANCH") or "main",
        use_repository_button=True,
        use_edit_page_button=True,
        use_issues_button=bool(re.search("github|gitlab", address)),  # the forges whose form the theme knows
    )


def launchers(address, branch, name):
    """The services that open a notebook of the repository, each with its address there."""
    if not branch:
        return
    known = {GITHUB: ("gh", "/"), GITLAB: ("gl", "%2F")}
    forge = next((forge for forge in known if address.startswith(forge)), None)
    if forge:
        kind, slash = known[forge]
        where = f"{kind}/{address.removeprefix(forge).replace('/', slash)}"
    else:
        where = f"git/{quote(address, safe='')}"
    yield "Binder", "logo_binder.svg", f"{BINDER}/{where}/{quote(branch, safe='')}?urlpath=lab/tree/{name}"
    if forge == GITHUB:
        yield "Colab", "logo_colab.png", f"{COLAB}/{address.removeprefix(GITHUB)}/blob/{branch}/{name}"


def launch(app, pagename, templatename, context, doctree):
    """The launch buttons of a page with cells: they lead to its notebook that runs as it is."""
    address = app.config.html_theme_options.get("repository_url")
    if doctree is None or not address or not app.env.doc2path(pagename).endswith(".ipynb"):
        return
    branch = os.environ.get("BOOK_NOTEBOOKS_BRANCH") or ("notebooks" if address.startswith(GITHUB) else "")
    name = pagename.rpartition("/")[2] + ".ipynb"
    buttons = [
        {"type": "link", "text": text, "tooltip": f"Launch on {text}", "icon": f"_static/images/{icon}", "url": url}
        for text, icon, url in launchers(address, branch, name)
    ]
    if buttons:
        said = "Launch interactive content"
        group = {"type": "group", "tooltip": said, "icon": "fas fa-rocket", "buttons": buttons, "label": "launch-buttons"}
        context["header_buttons"].insert(0, group)


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
    app.add_config_value("book_site", "", "env", str)
    app.connect("config-inited", use_address)
    app.connect("html-page-context", launch, priority=502)  # after the theme has made its menus
    app.add_directive("install", Install)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
