"""Progress bars, on a terminal and in a log."""

import sys

from tqdm import tqdm


def bar_of(progress, **options):
    """A progress bar: a line that renews itself on a terminal, and a line a minute in a log."""
    there = sys.stderr is not None
    terminal = there and getattr(sys.stderr, "isatty", lambda: False)()
    return tqdm(disable=not (progress and there), mininterval=0.1 if terminal else 60, **options)
