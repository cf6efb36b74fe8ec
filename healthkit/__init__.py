"""healthkit: account health of marketplace sellers, exact to the last order.

The verbs that a notebook needs, loaded when first used:

>>> import healthkit as hk
>>> hk.marketplace("DE").title
'Amazon Germany'
"""

import logging

import lazy_loader as lazy

__version__ = "0.1.0"

logging.getLogger(__name__).addHandler(logging.NullHandler())

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "blocks",
        "charts",
        "cluster",
        "desk",
        "doctor",
        "downloads",
        "evidence",
        "excerpt",
        "explain",
        "exposure",
        "intake",
        "monthly",
        "outlook",
        "policy",
        "press",
        "removal",
        "reported",
        "scores",
        "shipped",
        "store",
        "tables",
        "verdicts",
        "whatif",
        "widgets",
        "wording",
    ],
    submod_attrs={
        "desk": ["Desk"],
        "marketplaces": ["marketplace"],
        "monthly": ["Monthly", "accounts_in", "last_day_of", "open_month"],
        "policy": ["load", "for_marketplaces"],
        "scores": ["days_of", "score", "orders_at_fault"],
        "widgets": ["open_desk", "portfolio", "setup", "what_changed", "what_if", "where_i_stand"],
    },
)
