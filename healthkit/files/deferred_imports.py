"""Put off the import of a library that costs more than a second and that hardly any process uses."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

IRI_GRAMMAR = "rfc3987_syntax"
"""The module by which jsonschema checks internationalised addresses, where it is installed (JupyterLab brings it)."""


def defer_iri_grammar() -> None:
    """Have the grammar of IRIs built when the first IRI is checked, not by whoever imports jsonschema.

    Altair and nbformat import jsonschema, which imports this module; it builds its grammar on import, which takes 1.2 s
    of CPU in each process. Until its first use, the module stands empty among the imported ones.
    """
    spec = None if IRI_GRAMMAR in sys.modules else importlib.util.find_spec(IRI_GRAMMAR)
    if spec is None or spec.loader is None:
        return
    loader, module = spec.loader, importlib.util.module_from_spec(spec)

    def load(name: str) -> Any:
        vars(module).pop("__getattr__", None)
        loader.exec_module(module)
        return getattr(module, name)

    def is_valid_syntax(term: str, value: str) -> bool:
        return bool(load("is_valid_syntax")(term, value))

    # jsonschema takes this function out of the module when it is imported itself.
    vars(module).update(is_valid_syntax=is_valid_syntax, __getattr__=load)
    sys.modules[IRI_GRAMMAR] = module
