"""Execute the chapters that changed, two at a time, into the cache from which the book is built.

The build would execute them itself, one after the other. A chapter that fails is left to the build, which says why.
"""

from concurrent.futures import ProcessPoolExecutor

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from nbclient.exceptions import CellExecutionError

from notebooks import CHAPTERS, ROOT, execute


def attempt(path):
    try:
        return execute(path)
    except CellExecutionError:
        return None


def cached(cache, path):
    try:
        return cache.match_cache_notebook(nbformat.read(path, as_version=4))
    except KeyError:
        return None


def main():
    cache = get_cache(ROOT / "_build" / ".jupyter_cache")
    changed = [path for path in sorted(CHAPTERS.glob("*.ipynb")) if not cached(cache, path)]
    with ProcessPoolExecutor(2) as pool:
        for path, done in zip(changed, pool.map(attempt, changed)):
            if done:
                notebook, seconds = done
                bundle = CacheBundleIn(notebook, str(path), data={"execution_seconds": seconds})
                cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
                print(f"{path.name}: {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
