import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHOW = "; import os; print(os.environ['HF_HUB_OFFLINE'], os.environ['TQDM_DELAY'])"


@pytest.mark.parametrize(("given", "wanted"), [({}, "1 2"), ({"TQDM_DELAY": "0", "HF_HUB_OFFLINE": "0"}, "0 0")])
def test_what_the_user_has_set_stands(given, wanted):
    command = [sys.executable, "-c", "from anyany.surroundings import settle; settle()" + SHOW]
    assert subprocess.check_output(command, cwd=ROOT, env=given, text=True).split() == wanted.split()


@pytest.mark.parametrize(("delay", "has_bar"), [("0", True), ("2", False)])
def test_what_is_done_soon_shows_no_bar(delay, has_bar):
    """The setting is read by tqdm as it is imported; a version of it that does not would show here."""
    count = "from tqdm.auto import tqdm\nfor _ in tqdm(range(3), desc='Loading weights'): pass"
    command = [sys.executable, "-c", f"from anyany.surroundings import settle; settle()\n{count}"]
    done = subprocess.run(command, cwd=ROOT, env={"TQDM_DELAY": delay}, capture_output=True, text=True, check=True)
    assert ("Loading weights" in done.stderr) == has_bar
