"""Vega, Vega-Lite and vega-embed as one script that needs no network; the only room that makes it."""

from __future__ import annotations

import contextlib
from importlib.metadata import version

import platformdirs
import vl_convert

from healthkit.files import temp_folders


def vega_bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script, wrapped so that its names stay its own.

    Putting it together takes seconds, so it is kept on this machine for each version of the parts.
    """
    kept = platformdirs.user_cache_path("healthkit") / f"vega-{version('vl-convert-python')}.js"
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    # Its stub asks for a snippet; without one, it puts vegaEmbed where a page finds it.
    made = "(()=>{" + vl_convert.javascript_bundle() + "})();\n"  # type: ignore[call-arg]
    # Where nothing can be kept, it is made again each time: slower, and just as right.
    with contextlib.suppress(OSError):
        temp_folders.write_atomically(kept, made)
        temp_folders.remove_abandoned(kept.parent)
    return made
