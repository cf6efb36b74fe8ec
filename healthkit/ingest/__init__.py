"""Import of raw files: a parser for each kind of file, the import itself, and advice on which files to download."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["amazon_api", "downloads", "formats", "import_checks", "importer", "parallel_reading", "parsing"],
)
