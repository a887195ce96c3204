"""A medium with its caption -> the members of a record, as img2dataset and video2dataset lay them out."""

from collections.abc import Mapping, Sequence
from typing import Any

from data_prep.preparation.drafts import Draft, LeftOut, as_json
from data_prep.preparation.media_folder import MediaFolders

KEPT_AS_TEXT = "kept_as_text"


def pair(
    caption: str,
    modality: str,
    names: Sequence[str],
    media: MediaFolders,
    keep_text: bool,
    published: Mapping[str, Any] | None = None,
) -> Draft:
    """The medium under its extension, the caption as published under ``txt``, what else is known under ``json``.

    Args:
        names: of the medium, of which the first that is there is taken.
        keep_text: keep a caption whose medium is absent.

    Raises:
        LeftOut: ``empty_caption``, or why there is no medium.
    """
    if not caption.strip():
        raise LeftOut("empty_caption", "the caption is empty")
    draft = Draft({"txt": caption.encode()})
    try:
        extension, data = media.read(modality, *names)
        draft.members[extension] = data
    except LeftOut as missing:
        if not keep_text or missing.kind != "missing_media":
            raise
        draft.notes.append(KEPT_AS_TEXT)
    if published:
        draft.members["json"] = as_json(published)
    return draft
