"""Folders and files that the kit makes for a while, marks as its own, or brings along."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "marked_folders",
        "temp_folders",
        "package_files",
    ],
)
