"""Pull reports and orders from Amazon's Selling Partner API, and import them (the command `pull`)."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=[
        "access_check",
        "account_status",
        "authorization",
        "call_scheduler",
        "credentials",
        "failures",
        "published",
        "pull",
        "pull_state",
        "rate_limits",
        "requests_plan",
    ],
)
