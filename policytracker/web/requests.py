"""Middleware for every request: logging, limits, client address, probes and caching."""

from __future__ import annotations

import logging
import re
import uuid
from contextlib import nullcontext, suppress
from ipaddress import ip_address
from time import perf_counter

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _

from policytracker.web import health
from policytracker.web.errors import API, refuse
from policytracker.web.logs import current_request

log = logging.getLogger(__name__)

TOKENS = "/api/v1/auth/"
REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}", re.ASCII)
MAX_QUERY_LENGTH = 8_000  # characters; enough for a list of 100 keys, and less than the web server accepts (gunicorn.conf.py)
MAX_SQL_LENGTH = 2_000  # characters of a slow statement in the log
PROBES = {"/healthz": health.alive, "/readyz": health.ready}


# ---- middleware


def log_requests(get_response):
    """Sets the request id, which the response and all log lines contain, and logs slow requests and statements."""

    def middleware(request):
        client_id = request.headers.get("X-Request-ID", "")
        request.id = client_id if REQUEST_ID.fullmatch(client_id) else uuid.uuid4().hex
        token, start = current_request.set(request), perf_counter()
        try:
            with connection.execute_wrapper(log_slow_statement) if settings.LOG_SLOW_MS else nullcontext():
                response = get_response(request)
            milliseconds = round((perf_counter() - start) * 1000)
            fields = {"status": response.status_code, "milliseconds": milliseconds}
            if settings.LOG_SLOW_MS and milliseconds >= settings.LOG_SLOW_MS:
                log.warning("Slow request", extra={"fields": fields})
            elif settings.LOG_REQUESTS:
                log.info("Request", extra={"fields": fields})
        finally:
            current_request.reset(token)
        response["X-Request-ID"] = request.id
        return response

    return middleware


def log_slow_statement(execute, sql, params, many, context):
    """Logs a slow SQL statement without its values. (Django's `execute_wrapper`.)"""
    start = perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        milliseconds = round((perf_counter() - start) * 1000)
        if milliseconds >= settings.LOG_SLOW_MS:
            log.warning("Slow statement", extra={"fields": {"milliseconds": milliseconds, "sql": str(sql)[:MAX_SQL_LENGTH]}})


def release_connection(get_response):
    """Gives the database connection back before the response is sent, so that slow clients hold none."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not connection.in_atomic_block:  # in a test
            connection.close()
        return response

    return middleware


def client_address(get_response):
    """Behind a proxy, sets the client address to the last entry of `X-Forwarded-For`, the only one that the proxy itself wrote."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.BEHIND_PROXY:
            last = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
            with suppress(ValueError):  # not an IP address: keep the address of the proxy
                request.META["REMOTE_ADDR"] = str(ip_address(last))
        return get_response(request)

    return middleware


def probes(get_response):
    """Serves the probes before the checks of host name and TLS, because an orchestrator calls them by IP address and plain HTTP."""

    def middleware(request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path_info) if request.method in ("GET", "HEAD") else None
        return probe(request) if probe else get_response(request)

    return middleware


def limits(get_response):
    """Refuses large bodies and query strings before they are read."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return over_limit(request) or get_response(request)

    return middleware


def over_limit(request: HttpRequest) -> HttpResponse | None:
    """The error response if the request exceeds a limit."""
    if "HTTP_TRANSFER_ENCODING" in request.META:
        return refuse(request, 411, "length_required", _("Send the body with a Content-Length."))
    length = request.META.get("CONTENT_LENGTH") or "0"
    uploads = any(re.match(path, request.path) for path in settings.UPLOAD_PATHS)
    limit = settings.MAX_UPLOAD_SIZE if uploads else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if not (length.isascii() and length.isdigit()) or len(length) > 15 or int(length) > limit:
        detail = _("The request body is too large. At most {maximum} MiB are accepted here.").format(maximum=limit // 1024 // 1024)
        return refuse(request, 413, "too_large", detail)
    query = request.META.get("QUERY_STRING", "")
    max_parameters = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    problem = ""
    if query.count("&") >= max_parameters:
        problem = _("Send at most {maximum} query parameters.").format(maximum=max_parameters)
    elif len(query) > MAX_QUERY_LENGTH:
        problem = _("Send a query string of at most {maximum} characters.").format(maximum=MAX_QUERY_LENGTH)
    if problem and request.path.startswith(API):
        return JsonResponse({"non_field_errors": [problem]}, status=400)
    return refuse(request, 400, "invalid", problem) if problem else None


def no_store(get_response):
    """Forbids caches to store responses to authenticated requests, and to POST requests, which may contain a token."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        credentials = "Authorization" in request.headers or settings.SESSION_COOKIE_NAME in request.COOKIES
        if request.path.startswith(API) and (credentials or request.method == "POST"):
            patch_cache_control(response, private=True, no_store=True)
        return response

    return middleware


def pages(get_response):
    """API requests with a token skip the middleware between this one and `end_of_pages`.

    It is about pages: static files, sessions, forms, and what a browser may do with HTML.
    """
    get_api_response = end_of_pages.get_response

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_api_response(request) if has_token(request) else get_response(request)

    return middleware


def end_of_pages(get_response):
    """Where requests that skip `pages` go on. Django builds the middleware from the last to the first."""
    end_of_pages.get_response = get_response
    return get_response


def has_token(request: HttpRequest) -> bool:
    """Whether this is an API request with a bearer token, other than for a new token."""
    is_api = request.path.startswith(API) and not request.path.startswith(TOKENS)
    return is_api and request.META.get("HTTP_AUTHORIZATION", "")[:7].lower() == "bearer "
