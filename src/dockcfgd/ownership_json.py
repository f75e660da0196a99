"""Owner, mode and attributes of a file as the state file keeps them."""

from __future__ import annotations

import base64
import json

from dockcfgd.model.files import Attribute, Ownership

__all__ = ["ownership_from_json", "ownership_to_json"]


def ownership_to_json(of: Ownership | None) -> str | None:
    """Give it as JSON text; None for a file that is not there."""
    if of is None:
        return None
    attributes = {one.name: base64.b64encode(one.content).decode() for one in of.attributes}
    return json.dumps({"uid": of.uid, "gid": of.gid, "mode": of.mode, "attributes": attributes})


def ownership_from_json(text: str | None) -> Ownership | None:
    """Give what `ownership_to_json` wrote."""
    if not text:
        return None
    stored = json.loads(text)
    attributes = tuple(
        Attribute(name, base64.b64decode(content))
        for name, content in sorted(stored["attributes"].items())
    )
    return Ownership(int(stored["uid"]), int(stored["gid"]), int(stored["mode"]), attributes)
