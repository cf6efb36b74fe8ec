"""The schema: tables with their columns and keys, marketplaces with their zones, YAML with line numbers."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "accounts_file",
        "marketplaces",
        "tables",
        "yaml_lines",
    ],
)
