"""Raw files into tables: readers for each kind, the import, and which files tell of what."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, submodules=["downloads", "formats", "import_checks", "importer", "parallel_reading", "parsing"]
)
