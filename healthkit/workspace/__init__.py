"""A store, its policies and its counts, opened together; and taking files out of it again."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "workspace",
        "snapshot",
        "counts_cache",
        "removal",
    ],
    submod_attrs={"workspace": ["USER_STORE", "SAMPLE_STORE", "Workspace", "find_store_folder"]},
)
