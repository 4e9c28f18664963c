"""The code that the README shows runs as it stands, block after block."""

import re
from pathlib import Path

import matplotlib
import numpy as np

ROOT = Path(__file__).resolve().parent.parent


def test_code_blocks_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks, names = re.findall(r"```python\n(.*?)```", text, re.S), {}
    assert len(blocks) == 4
    for block in blocks:
        exec(block, names)
    assert names["update"].W.shape == (20, 8, 8)
    assert names["run"].w.shape == (1000, 2)
    assert capsys.readouterr().out
    assert len(blocks[1].splitlines()) == 5, "it says five lines"
    assert (tmp_path / "four_rules.svg").stat().st_size > 1000
    assert (ROOT / "chapters" / "figures" / "four_rules.svg").exists()
    history = names["history"]
    assert history.losses.shape == (20, 201) and np.isinf(history.diverged_at).all()
