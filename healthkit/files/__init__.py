"""Temporary folders and files, the marked folders that hold them, and the files that ship with the package."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "marked_folders",
        "temp_folders",
        "package_files",
    ],
)
