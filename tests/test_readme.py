"""The code that the README shows runs as it stands, block after block."""

import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def test_code_blocks_run(capsys):
    blocks, names = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S), {}
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    assert names["update"].W.shape == (20, 8, 8)
    assert names["run"].w.shape == (1000, 2)
    assert capsys.readouterr().out
