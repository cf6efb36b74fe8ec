"""The monthly report: what it holds, its sentences, charts and HTML."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "charts",
        "html",
        "model",
        "text",
        "todo_list",
        "vega_bundle",
        "workbook",
    ],
)
