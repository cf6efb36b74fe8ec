"""A store with its policies and counts, opened together; cached counts, snapshots, and removal of files."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "workspace",
        "snapshot",
        "counts_cache",
        "event_log",
        "removal",
    ],
    submod_attrs={"workspace": ["USER_STORE", "SAMPLE_STORE", "Workspace", "find_store_folder"]},
)
