"""The sentences on what Amazon refused, broke off or did not finish: what happened, and what to do."""

from __future__ import annotations

from datetime import timedelta

from healthkit.ingest.amazon_api import published
from healthkit.ingest.amazon_api.authorization import DOWNLOAD, LOGIN, ApiError
from healthkit.ingest.amazon_api.requests_plan import PlannedRequest

NEXT_RUN = "The next pull asks for it again."


class PullFailure(Exception):
    """Raised in a job that cannot go on; the message is a sentence with the cure."""


def describe_request(request: PlannedRequest) -> str:
    """Return whose request it is and what it asks for, with its days."""
    access = request.access
    codes = access.marketplaces if request.is_pages or not request.marketplace else (request.marketplace,)
    where = f"{access.account} ({', '.join(codes)})"
    if request.kind.asks != published.SPAN:
        return f"{where}, {request.kind.title}"
    return f"{where}, {request.kind.title} of {request.since:%Y-%m-%d} to {request.until:%Y-%m-%d}"


def api_error_sentence(error: ApiError, request: PlannedRequest) -> str:
    """Return the sentence on a call that failed for good."""
    label = describe_request(request)
    amazon_message = f" Amazon's message: {error.message}" if error.message else ""
    if error.operation == LOGIN:
        return login_error_sentence(error, request)
    if error.status in (401, 403) and error.operation != DOWNLOAD:
        return f"{label}: {role_sentence(request.kind.role)}{amazon_message}"
    if error.status == 429:
        return f"{label}: Amazon refused {error.operation} as too frequent, again and again. {NEXT_RUN}"
    if error.status == 0:
        return f"{label}: the connection broke ({error.operation}: {error.message}). Check the network. {NEXT_RUN}"
    if error.operation == DOWNLOAD:
        return f"{label}: the document could not be downloaded (HTTP {error.status}). {NEXT_RUN}"
    return f"{label}: Amazon answered {error.operation} with HTTP {error.status}.{amazon_message} {NEXT_RUN}"


def role_sentence(role: str) -> str:
    """Return what to do about a call that Amazon does not permit (403)."""
    return (
        f"Amazon does not permit it (403). The application probably lacks the role {role!r}: add it to the application "
        "(Apps and Services > Develop Apps > Edit App), authorise the application again, and use the new refresh token."
    )


def login_error_sentence(error: ApiError, request: PlannedRequest) -> str:
    """Return the sentence on an access token that Login with Amazon did not give."""
    whose = f"{request.access.account} (region {request.access.region})"
    if error.message == "invalid_grant":
        return (
            f"{whose}: Amazon no longer accepts the refresh token: the authorisation was revoked or has ended. "
            "Authorise the application again (Apps and Services > Develop Apps > Authorize), and put the new refresh "
            "token where the old one is."
        )
    if error.message in ("invalid_client", "unauthorized_client") or error.status == 401:
        return (
            f"{whose}: Amazon does not accept the id and secret of the application. Copy both again from Develop "
            "Apps > View (LWA credentials); a secret ends after 180 days."
        )
    if error.may_succeed_later:
        return f"{whose}: Login with Amazon gives no access token (HTTP {error.status or 'none'}). {NEXT_RUN}"
    amazon_message = f": {error.message}" if error.message else ""
    return (
        f"{whose}: Login with Amazon refuses the credentials (HTTP {error.status}{amazon_message}). Check "
        "refresh token, application id and application secret."
    )


def fatal_sentence(request: PlannedRequest, report_id: str, reason: str) -> str:
    """Return the sentence on a report that Amazon broke off; `reason` is the text of its document, if it has one."""
    cause = f" Its document says: {reason}" if reason else " Amazon gives no reason; asking too often is a usual one."
    return f"{describe_request(request)}: Amazon broke report {report_id} off (FATAL).{cause} {NEXT_RUN}"


def slow_sentence(request: PlannedRequest, report_id: str, status: str, waited: timedelta) -> str:
    """Return the sentence on a report that is not ready in time."""
    return (
        f"{describe_request(request)}: report {report_id} is still {status} after {format_duration(waited)}. The next "
        "pull looks for it again, and asks for a new one after a day."
    )


def no_report_sentence(request: PlannedRequest, report_id: str, problem: str) -> str:
    """Return the sentence on a document that holds no report; nothing of it is stored."""
    return f"{describe_request(request)}: the document of report {report_id} {problem} Nothing was stored. {NEXT_RUN}"


def refused_sentence(request: PlannedRequest, reason: str) -> str:
    """Return the sentence on a document that the import refused."""
    return f"{describe_request(request)}: refused. {reason}"


def cancelled_note(request: PlannedRequest) -> str:
    """Return the note on a report that Amazon cancelled, which it does where there are no data."""
    if request.kind.kind == "feedback":
        return (
            "cancelled by Amazon, which means that there are no ratings since "
            f"{request.since:%Y-%m-%d}. Ratings that are stored still count: one counts as removed only when a later "
            "file with older and newer ratings lacks it."
        )
    return "cancelled by Amazon, which means that it has no data for these days."


def format_duration(duration: timedelta) -> str:
    """Return a duration in words.

    >>> format_duration(timedelta(seconds=40)), format_duration(timedelta(minutes=95)), format_duration(timedelta(3))
    ('40 seconds', '95 minutes', '72 hours')
    """
    seconds = round(duration.total_seconds())
    if seconds < 120:
        return f"{seconds} seconds"
    return f"{seconds // 60} minutes" if seconds < 3 * 3600 else f"{seconds // 3600} hours"
