"""Settings for all machines. Environment variables set what differs; the defaults are safe for production."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from policytracker import site
from policytracker.web import logs
from tools import private_postgres as postgres

BASE_DIR = Path(__file__).resolve().parent.parent


class Environment(environ.Env):
    """Reads environment variables. A value of the wrong type is a configuration error that names its variable."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as error:
            raise ImproperlyConfigured(f"{var} is not valid: {error}.") from error

    def time_limit(self, var: str) -> int:
        """A time limit in the form of PostgreSQL, such as `8s`, `500ms` or a number of milliseconds, in milliseconds; 0 for none."""
        match = re.fullmatch(r"(\d+) ?(ms|s|min|h|)", self.str(var, "0").strip(), re.ASCII)
        if not match:
            raise ImproperlyConfigured(f"{var} is not valid: enter a time such as 8s or 500ms.")
        return int(match[1]) * {"": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}[match[2]]


env = Environment()

# `DEBUG=1` is for a developer's machine. The site is the same as in production, also its error pages: Django's DEBUG stays off.
DEVELOPMENT = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "only for development: this key is public" if DEVELOPMENT else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("Set SECRET_KEY, or set DEBUG=1 on a development machine.")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
BEHIND_PROXY = env.bool("BEHIND_PROXY", False)

INSTALLED_APPS = [
    "policytracker",
    "agreements",
    "recommendations",
    "unfold.apps.BasicAppConfig",  # without its site: ours is named in policytracker/apps.py
    "unfold.contrib.filters",
    "policytracker.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "knox",
    "axes",
    "csp",
    "tools",
]
MIDDLEWARE = [
    "policytracker.web.requests.log_requests",
    "policytracker.web.requests.release_connection",
    "policytracker.web.requests.client_address",
    "policytracker.web.requests.limits",
    "policytracker.web.requests.probes",
    "policytracker.web.requests.no_store",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    # API requests with a token skip what follows, until `end_of_pages`.
    "policytracker.web.requests.pages",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "policytracker.web.sessions.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "policytracker.admin.relax_csp",
    "policytracker.admin.unsaved_input.keep_input",
    "axes.middleware.AxesMiddleware",
    "policytracker.web.requests.end_of_pages",
    "policytracker.api.errors.DatabaseErrors",
    "policytracker.web.heavy.HeavyRequests",
]
# Heavy requests (policytracker/web/heavy.py): how many reports run at a time in one process, beside twice as many exports, and how many
# of its threads they use, with those that wait for their turn.
HEAVY_REQUESTS = env.int("HEAVY_REQUESTS", 1)
HEAVY_THREADS = max(1, env.int("WEB_THREADS", 32) // 2)
EXPORT_MAX_MB = env.int("EXPORT_MAX_MB", 1000)  # the temporary file of one export
ROOT_URLCONF = "policytracker.urls"
WSGI_APPLICATION = "policytracker.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # policytracker is the first app, so its templates override those of the theme.
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# Each request is one transaction. Code whose writes must survive an error response, such as failed logins, opts out.
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL") if "DATABASE_URL" in env else {"ENGINE": "django.db.backends.postgresql", **postgres.connection()}
}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database. History and constraints require its triggers.")
# In a URL, the path of a socket folder is percent-encoded, as in libpq.
DATABASES["default"]["HOST"] = unquote(DATABASES["default"]["HOST"])
DATABASES["default"] |= {"ENGINE": "policytracker.sql", "ATOMIC_REQUESTS": True}
OPTIONS = DATABASES["default"].setdefault("OPTIONS", {})
OPTIONS.setdefault("application_name", "policytracker")
if pool := env.int("DB_POOL", 0):  # only the web server sets it; a command needs one connection
    # Short timeouts (seconds): a request without a connection gets 503 soon, and the pool recovers soon after an outage.
    OPTIONS["pool"] = {"min_size": 1, "max_size": pool, "timeout": 3, "reconnect_timeout": 3}
# The web server sets timeouts (wsgi.py); commands have none. Options in DATABASE_URL (`?options=`) take precedence.
LIMITS = {name: env.str(name.upper(), "0") for name in ("statement_timeout", "lock_timeout") if name not in OPTIONS.get("options", "")}
LIMITS = {name: value for name, value in LIMITS.items() if value != "0"}
lock_timeout, lock_timeout_total = env.time_limit("LOCK_TIMEOUT"), env.time_limit("LOCK_TIMEOUT_TOTAL")
if "lock_timeout" in LIMITS and lock_timeout > lock_timeout_total > 0:
    raise ImproperlyConfigured(
        "LOCK_TIMEOUT is longer than LOCK_TIMEOUT_TOTAL, which limits all waits together. Lower it, or raise the total."
    )
# Set 0 for a pooler such as PgBouncer that shares connections between transactions: prepared statements and session settings
# would be lost, or would reach other clients.
DB_PREPARE = env.bool("DB_PREPARE", True)
DATABASES["default"] |= {
    "SESSION_LIMITS" if DB_PREPARE else "TRANSACTION_LIMITS": LIMITS,
    "LOCK_TIMEOUT_TOTAL": f"{lock_timeout_total}ms",
    "DISABLE_SERVER_SIDE_CURSORS": not DB_PREPARE,
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "policytracker.User"
KNOX_TOKEN_MODEL = "policytracker.Token"  # noqa: S105 - the name of a model
MIGRATION_MODULES = {"knox": None}  # do not create its table: Token replaces it
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in {
        "UserAttributeSimilarityValidator": {},
        "MinimumLengthValidator": {"min_length": 12},
        "CommonPasswordValidator": {},
        "NumericPasswordValidator": {},
    }.items()
]
CSRF_FAILURE_VIEW = "policytracker.admin.unsaved_input.form_expired"
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

# Lockout after ten failed logins for one user name from one address within 15 minutes.
AXES_FAILURE_LIMIT = 11
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False  # its admin pages do not use our theme
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "policytracker.api.tokens.locked_out"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = ["policytracker.formats"]

# What an operator gives the site: its name, the colour of actions and links, and a logo.
SITE_NAME = site.name(env.str("SITE_NAME", "Policy Tracker"))
SITE_ACCENT = site.accent(env.str("SITE_ACCENT", "#0b5a7a"))  # the shades of the colour
SITE_LOGO = site.logo(env.str("SITE_LOGO", ""))

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(BASE_DIR / ".data" / "static")))
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEVELOPMENT
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", str(BASE_DIR / ".data" / "files")))
# Only this system user may read uploads; another one may serve the static files.
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"directory_permissions_mode": 0o700, "file_permissions_mode": 0o600},
    },
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
        "OPTIONS": {"directory_permissions_mode": 0o755, "file_permissions_mode": 0o644},
    },
}
# Maximum Content-Length in bytes: MAX_UPLOAD_SIZE for these paths, which accept files, and DATA_UPLOAD_MAX_MEMORY_SIZE elsewhere.
UPLOAD_PATHS = [r"/api/v1/sources/", r"/admin/agreements/source/", r"/admin/\w+/\w+/import/$"]
MAX_UPLOAD_SIZE = 30 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

REST_FRAMEWORK = {
    "URL_FORMAT_OVERRIDE": None,  # no special meaning for the query parameter `format`
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "policytracker.api.authentication.TokenAuthentication",
        "policytracker.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["policytracker.api.permissions.RecordPermissions"],
    "DEFAULT_RENDERER_CLASSES": ["policytracker.api.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["policytracker.api.parsers.Json"],
    "DEFAULT_METADATA_CLASS": None,  # no OPTIONS: the OpenAPI schema has the metadata
    "DEFAULT_SCHEMA_CLASS": "policytracker.api.schema.ViewSchema",
    "EXCEPTION_HANDLER": "policytracker.api.errors.handle_exception",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "TOKEN_MODEL": KNOX_TOKEN_MODEL}
REQUIRE_IF_MATCH = env.bool("REQUIRE_IF_MATCH", False)
PUBLIC_READ = env.bool("PUBLIC_READ", False)
SPECTACULAR_SETTINGS = {
    "TITLE": "Policy Tracker",
    "VERSION": "1",
    "DESCRIPTION": "What governments agreed, who owes what, what was recommended, how far it has come, and how we know.",
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": ["policytracker.api.schema.with_components"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEVELOPMENT
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", not DEVELOPMENT)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 0 if DEVELOPMENT else 31_536_000)
# Off by default, because they apply to all servers of the domain.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", False)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # they warn about the two settings above
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

LOGGING = logs.configuration(terminal=DEVELOPMENT)
LOG_REQUESTS = env.bool("LOG_REQUESTS", False)
LOG_SLOW_MS = env.int("LOG_SLOW_MS", 500)

UNFOLD = {
    "SITE_TITLE": SITE_NAME,
    "SITE_HEADER": SITE_NAME,
    "SITE_ICON": "policytracker.web.logo.icon",
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_FAVICONS": [{"rel": "icon", "href": "policytracker.web.logo.icon"}],
    "COLORS": {"base": {weight: f"var(--grey-{weight})" for weight in [50, *range(100, 1000, 100), 950]}, "primary": SITE_ACCENT},
    "BORDER_RADIUS": "5px",
    "STYLES": [lambda request: static("policytracker/palette.css"), lambda request: static("policytracker/admin.css")],
    "SCRIPTS": [lambda request: static("policytracker/admin.js")],
    "ACCOUNT": {"navigation": [{"title": _("My account"), "link": reverse_lazy("account")}]},
    "DASHBOARD_CALLBACK": "recommendations.admin.home.page",
    "SIDEBAR": {"show_search": True, "command_search": True, "navigation": "policytracker.admin.navigation"},
}
