"""What the tables, marketplaces and YAML files look like: columns, keys, zones, lines."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "marketplaces",
        "tables",
        "yaml_lines",
    ],
)
