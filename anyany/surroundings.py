"""What libraries read from the environment while they are imported; each program settles it first."""

import os

SETTLED = {
    "HF_HUB_OFFLINE": "1",  # parts are folders: a name that is none is an error, and no download
    "TQDM_DELAY": "2",  # seconds: what is done sooner needs no bar
}


def settle() -> None:
    """What the user has set stands. Processes that are started inherit it."""
    for name, value in SETTLED.items():
        os.environ.setdefault(name, value)
