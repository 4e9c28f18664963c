"""Take the repository's address from the environment, so that a fork's book points at the fork.

`BOOK_REPOSITORY` is an https address such as a forge shows in the browser, `BOOK_BRANCH` the branch that holds the
chapters (main unless set). Without the first, the book has no repository link and no launch buttons.
"""

import os

BINDER = "https://mybinder.org"
COLAB = "https://colab.research.google.com"


def use_address(app, config):
    address = os.environ.get("BOOK_REPOSITORY", "").rstrip("/")
    if not address:
        return
    options = config.html_theme_options
    options.update(
        repository_url=address,
        repository_branch=os.environ.get("BOOK_BRANCH", "main"),
        use_repository_button=True,
        launch_buttons={"notebook_interface": "jupyterlab", "binderhub_url": BINDER, "colab_url": COLAB},
    )


def setup(app):
    app.connect("config-inited", use_address)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
