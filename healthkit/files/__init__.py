"""Temporary folders and files, marked folders that hold them, files that ship with the package, and the keyring."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "keyring_secrets",
        "marked_folders",
        "temp_folders",
        "package_files",
    ],
)
