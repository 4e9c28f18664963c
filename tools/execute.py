"""Execute the chapters that changed, two at a time, into the cache from which the book is built.

As an extension of Sphinx it does so before the pages are read, and sees to it that a fault is reported again by the
next build: a page read with warnings is not remembered.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from notebooks import Failure, every_notebook, execute, read, without_figure
from sealed import ROOT, seal
from sphinx.util import logging


def attempt(path):
    try:
        return execute(path)
    except Failure as failure:
        return failure


def cached(cache, path):
    """Whether the cache has this chapter's run, figures and all."""
    try:
        return not without_figure(cache.merge_match_into_notebook(read(path))[1])
    except (KeyError, Failure):
        return False


def bring_up_to_date():
    """Execute what the cache lacks; return what failed, `{path: Failure}`. Only a run without fault is kept."""
    cache = get_cache(ROOT / "_build" / ".jupyter_cache")
    changed = [path for path in every_notebook() if not cached(cache, path)]
    failed = {}
    with ProcessPoolExecutor(2) as pool:
        for path, done in zip(changed, pool.map(attempt, changed)):
            if isinstance(done, Failure):
                failed[path] = done
                continue
            notebook, seconds = done
            bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            print(f"{path.name}: {seconds:.1f} s", flush=True)
    return failed


def main():
    seal()
    failed = bring_up_to_date()
    sys.exit("\n".join(map(str, failed.values())) or None)


# As an extension


def before_reading(app, config):
    """A chapter that fails is a warning, and is shown with the outputs that it has."""
    for path, failure in bring_up_to_date().items():
        logging.getLogger(__name__).warning(str(failure))
        config.nb_execution_excludepatterns.append(path.as_posix())


def forget(app, error):
    if error or app._warncount:
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)


def setup(app):
    seal()
    app.connect("config-inited", before_reading)
    app.connect("build-finished", forget)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    main()
