"""Temporary folders and files, marked folders, files that ship with the package, the keyring, a deferred import."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "deferred_imports",
        "keyring_secrets",
        "marked_folders",
        "temp_folders",
        "package_files",
    ],
)
