"""The chart library of a page: Vega, Vega-Lite and vega-embed as one script that needs no network."""

from __future__ import annotations

import contextlib
from importlib.metadata import version

import platformdirs
import vl_convert

from healthkit.files import temp_folders


def vega_bundle() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script, wrapped in a function scope.

    Bundling takes seconds, so the script is cached on disk for each version of vl-convert.
    """
    cached = platformdirs.user_cache_path("healthkit") / f"vega-{version('vl-convert-python')}.js"
    if cached.is_file():
        return cached.read_text(encoding="utf-8")
    # The type stub requires a snippet; without one, vegaEmbed is set on `window`.
    script = "(()=>{" + vl_convert.javascript_bundle() + "})();\n"  # type: ignore[call-arg]
    # If the cache cannot be written, the script is bundled again on every call.
    with contextlib.suppress(OSError):
        temp_folders.write_atomically(cached, script)
        temp_folders.remove_abandoned(cached.parent)
    return script
