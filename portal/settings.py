"""All settings, read from the environment once. docs/operator-guide.md explains each variable."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from portal import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
TESTING = "pytest" in sys.modules

# ---- Where state lives -------------------------------------------------------------------------------------------

DATA = Path(env.text("ATRIUM_DATA", str(BASE_DIR / "var"))).expanduser().resolve()
KEYS_DIR = DATA / "keys"
POSTGRES_DIR = DATA / "postgres"
VECTORS_DIR = DATA / "vectors"
MODELS_DIR = DATA / "models"
FILES_DIR = DATA / "files"
MAIL_DIR = DATA / "mail"


def _socket_dir(name: str) -> Path:
    """A Unix socket's path may have 107 bytes, so a deep data directory gets a short one beside the system's own."""
    path = DATA / name
    if len(str(path)) <= 80:
        return path
    return Path(tempfile.gettempdir()) / f"atrium-{hashlib.sha256(str(DATA).encode()).hexdigest()[:12]}-{name}"


SOCKETS_DIR = _socket_dir("run")

# ---- The four parts that can stand elsewhere ---------------------------------------------------------------------

DATABASE_URL = env.url("DATABASE_URL", ("postgresql", "postgres"))
REDIS_URL = env.url("REDIS_URL", ("redis", "rediss", "unix"))
CELERY_BROKER_URL = env.url("CELERY_BROKER_URL", ("redis", "rediss", "amqp", "amqps", "memory")) or "memory://"
QDRANT_URL = env.url("QDRANT_URL", ("http", "https"))
QDRANT_API_KEY = env.text("QDRANT_API_KEY")

_elsewhere = {
    "DATABASE_URL": DATABASE_URL,
    "REDIS_URL": REDIS_URL,
    "CELERY_BROKER_URL": "" if CELERY_BROKER_URL == "memory://" else CELERY_BROKER_URL,
    "QDRANT_URL": QDRANT_URL,
}
MISSING_SERVICES = [name for name, value in _elsewhere.items() if not value]
PROFILE = env.choice("ATRIUM_PROFILE", ("embedded", "services"), "embedded" if MISSING_SERVICES else "services")
if PROFILE == "services" and MISSING_SERVICES:
    raise ImproperlyConfigured(f"ATRIUM_PROFILE is services, which also needs {', '.join(MISSING_SERVICES)}.")


def _database(url: str) -> dict[str, object]:
    if not url:
        return {"NAME": "atrium", "USER": "postgres", "HOST": str(SOCKETS_DIR), "PORT": "5432"}
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return {
        "NAME": unquote(parts.path.lstrip("/")) or "atrium",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", None) or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "_query": query,
    }


_db = _database(DATABASE_URL)
_db_options: dict[str, object] = dict(_db.pop("_query", {}))  # type: ignore[call-overload]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **_db,
        # The pool keeps connections; Django must not, or each thread would hold one for itself.
        "CONN_MAX_AGE": 0,
        "OPTIONS": _db_options
        if TESTING
        else {
            **_db_options,
            # The database plans what every answer asks only once. Poolers in front of it may not bear that.
            "prepare_threshold": 5 if env.boolean("ATRIUM_PREPARED_STATEMENTS", PROFILE == "embedded") else None,
            "pool": {"min_size": 2, "max_size": env.integer("ATRIUM_DB_POOL", 20, least=2), "timeout": 20},
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- Keys --------------------------------------------------------------------------------------------------------

SECRET_KEY = env.kept_secret("ATRIUM_SECRET_KEY", KEYS_DIR)
# First encrypts, all decrypt: put a new key in front, run `manage.py rotate_keys`, then drop the old one.
ENCRYPTION_KEYS = env.encryption_keys("ATRIUM_ENCRYPTION_KEYS", KEYS_DIR)

# ---- Where it is reached -----------------------------------------------------------------------------------------

DEBUG = env.boolean("ATRIUM_DEBUG")
PORT = env.integer("PORT", 8000, least=1, most=65535)
HOST = env.text("ATRIUM_HOST", "127.0.0.1")
BASE_URL = env.text("ATRIUM_BASE_URL", f"http://localhost:{PORT}").rstrip("/")
_host = urlsplit(BASE_URL).hostname or "localhost"
ALLOWED_HOSTS = sorted({_host, "localhost", "127.0.0.1", "[::1]", *env.items("ATRIUM_ALLOWED_HOSTS")})
CSRF_TRUSTED_ORIGINS = [BASE_URL]
_https = BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_NAME = "atrium_session"
CSRF_COOKIE_NAME = "atrium_csrf"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.boolean("ATRIUM_BEHIND_PROXY") else None
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# ---- What sources and credentials may reach ----------------------------------------------------------------------

# The user guide is the first data source of a new workspace, and may always be one.
GUIDE_DIR = BASE_DIR / "docs" / "user-guide"
# FOLDER is what `make run FOLDER=…` allows. With none, only uploads work.
FOLDER_ROOTS = [
    Path(p).expanduser().resolve()
    for p in [*env.items("ATRIUM_FOLDER_ROOTS"), *([env.text("FOLDER")] if env.text("FOLDER") else [])]
]
PRIVATE_HOSTS = env.items("ATRIUM_PRIVATE_HOSTS", ("localhost", "127.0.0.0/8", "::1") if PROFILE == "embedded" else ())
MAX_UPLOAD_BYTES = env.integer("ATRIUM_MAX_UPLOAD_MB", 100, least=1) * 1024 * 1024
MAX_FILE_BYTES = env.integer("ATRIUM_MAX_FILE_MB", 100, least=1) * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 2000
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024

# ---- First start -------------------------------------------------------------------------------------------------

FIRST_WORKSPACE = env.text("ATRIUM_WORKSPACE", "demo")
FIRST_ADMIN_EMAIL = env.text("ATRIUM_ADMIN_EMAIL", "admin@example.com")

# ---- Index -------------------------------------------------------------------------------------------------------

QDRANT_KNOBS = {
    "m": env.integer("ATRIUM_QDRANT_M", 0),
    "payload_m": env.integer("ATRIUM_QDRANT_PAYLOAD_M", 16),
    "quantization": env.boolean("ATRIUM_QDRANT_INT8", True),
    "vectors_on_disk": env.boolean("ATRIUM_QDRANT_VECTORS_ON_DISK", True),
    "payload_on_disk": env.boolean("ATRIUM_QDRANT_PAYLOAD_ON_DISK", True),
}
# Which models the workspaces' embedders default to; "local" is all-MiniLM-L6-v2 on this machine.
EMBEDDING_DEFAULT = "local"

# ---- Apps --------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "portal.static_files.Collected",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "channels",
    "csp",
    "django_htmx",
    "heroicons",
    "template_partials",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "portal",
    "datasources",
    "assistants",
    "gallery",
]

MIDDLEWARE = [
    "portal.middleware.RequestIdMiddleware",
    "portal.on_the_loop.SecurityMiddleware",
    "portal.on_the_loop.WhiteNoiseMiddleware",
    "portal.on_the_loop.CSPMiddleware",
    "portal.on_the_loop.SessionMiddleware",
    "portal.on_the_loop.CommonMiddleware",
    "portal.on_the_loop.CsrfViewMiddleware",
    "portal.on_the_loop.AuthenticationMiddleware",
    "portal.on_the_loop.LoginRequiredMiddleware",
    "portal.on_the_loop.MessageMiddleware",
    "portal.on_the_loop.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.on_the_loop.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.NoZeroBytesMiddleware",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "portal.shell.shell",
            ],
            "builtins": ["template_partials.templatetags.partials", "portal.templatetags.atrium"],
        },
    }
]

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        # htmx and the admin's charts set style attributes; stylesheets themselves stay ours.
        "style-src-attr": ["'unsafe-inline'"],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# ---- People ------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
if TESTING:  # strong hashing takes a quarter of a second for each person of the cast
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "portal.people.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_MODEL_EMAIL_FIELD = "email"
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if _https else "http"
MFA_ADAPTER = "portal.second_factor.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Atrium"
MFA_FORMS = {
    "add_webauthn": "portal.passkeys.AddForm",
    "login_webauthn": "portal.passkeys.LoginForm",
    "authenticate_webauthn": "portal.passkeys.AuthenticateForm",
    "reauthenticate_webauthn": "portal.passkeys.ReauthenticateForm",
}
# Browsers allow passkeys on http://localhost; nowhere else without TLS.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = _host == "localhost"
USERSESSIONS_TRACK_ACTIVITY = True

EMAIL_BACKEND = env.text("ATRIUM_EMAIL_BACKEND", "django.core.mail.backends.filebased.EmailBackend")
EMAIL_FILE_PATH = str(MAIL_DIR)
DEFAULT_FROM_EMAIL = env.text("ATRIUM_EMAIL_FROM", "Atrium <atrium@localhost>")
if _email := env.url("ATRIUM_EMAIL_URL", ("smtp", "smtps", "smtp+tls")):
    _mail = urlsplit(_email)
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = _mail.hostname or "localhost", _mail.port or 25
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
    EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.scheme == "smtps", _mail.scheme == "smtp+tls"
    EMAIL_TIMEOUT = 20

# ---- Language, static, files -------------------------------------------------------------------------------------

# The product speaks English: no browser's wish turns the libraries' pages and errors into another language beside it.
LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English")]
FORMAT_MODULE_PATH = "portal.formats"
TIME_ZONE = env.text("ATRIUM_TIME_ZONE", "UTC")
USE_TZ = True
USE_THOUSAND_SEPARATOR = False
STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_MAX_AGE = 3600
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = [
    "jpg", "jpeg", "png", "gif", "webp", "zip", "gz", "tgz", "bz2", "tbz", "xz", "br", "woff", "woff2", "map",
]  # fmt: skip
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(FILES_DIR)}},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING or DEBUG
        else "portal.static_files.Storage"
    },
}
if _bucket := env.text("ATRIUM_S3_BUCKET"):
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": _bucket,
            "endpoint_url": env.text("ATRIUM_S3_ENDPOINT") or None,
            "access_key": env.text("ATRIUM_S3_ACCESS_KEY") or None,
            "secret_key": env.text("ATRIUM_S3_SECRET_KEY") or None,
            "default_acl": None,
            "querystring_auth": True,
        },
    }
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
FILE_UPLOAD_TEMP_DIR = None

# ---- Queue and live events ---------------------------------------------------------------------------------------

# A process that was silent for so long has lost its work: a sync to another worker, an answer to "interrupted".
LEASE_SECONDS = env.integer("ATRIUM_LEASE_SECONDS", 30, least=3)
# How often what is due, or was lost, is looked for.
DUE_SECONDS = env.integer("ATRIUM_DUE_SECONDS", 60, least=1)
# Workers that sync for one workspace at a time; and after how long one lets a workspace go first that has none.
SYNCS_PER_WORKSPACE = env.integer("ATRIUM_SYNCS_PER_WORKSPACE", 4, least=1)
SYNC_TURN_SECONDS = env.integer("ATRIUM_SYNC_TURN_SECONDS", 600, least=10)
# Vendors' feeds of changes miss things: after so many hours a source is listed anew as a whole. 0: only by hand.
FULL_LISTING_HOURS = env.integer("ATRIUM_FULL_LISTING_HOURS", 24)
# The most that an answer may have where a budget applies: so much is reserved for it, and sent to the vendor as its limit.
ANSWER_TOKENS = env.integer("ATRIUM_ANSWER_TOKENS", 4096, least=64)
# Two installations on one broker need queues of their own.
CELERY_TASK_DEFAULT_QUEUE = env.text("ATRIUM_QUEUE", "atrium")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = TIME_ZONE
# Tasks of every app register here by name; what is due lives in the database, so a missed beat loses nothing.
CELERY_BEAT_SCHEDULE = {
    "due": {"task": "datasources.enqueue_due", "schedule": float(DUE_SECONDS)},
    "answers": {"task": "assistants.close_interrupted", "schedule": float(DUE_SECONDS)},
    "likenesses": {"task": "assistants.keep_likenesses", "schedule": float(DUE_SECONDS)},
    "budgets": {"task": "portal.sweep_holds", "schedule": float(DUE_SECONDS)},
    "usage": {"task": "portal.roll_up_usage", "schedule": 3600.0},
    "vettings": {"task": "assistants.look_at_vettings", "schedule": 3600.0},
    "notices": {"task": "portal.forget_old_notices", "schedule": 86_400.0},
    "standings": {"task": "gallery.refresh_standings", "schedule": float(DUE_SECONDS)},
}

CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "atrium"}
}

# ---- API ---------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.api.authentication.ApiKeyAuthentication",
        "portal.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["portal.api.permissions.DeclaredAccess"],
    "DEFAULT_PAGINATION_CLASS": "portal.api.pagination.Cursor",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_THROTTLE_CLASSES": ["portal.api.throttling.KeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"key": env.text("ATRIUM_API_RATE", "600/min")},
    "EXCEPTION_HANDLER": "portal.api.handler.handle",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Atrium",
    "DESCRIPTION": "Everything that a person does in the portal, for integrations.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1/workspaces/{slug}",
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    "ENUM_NAME_OVERRIDES": {
        "SpaceKindEnum": "portal.models.Space.Kind",
        "RoleEnum": "portal.models.Role",
        "RunStateEnum": "datasources.models.SyncRun.State",
        "SourceStateEnum": "datasources.models.DataSource.State",
        "NodeStatusEnum": "datasources.models.Node.Status",
        "VettingStateEnum": "assistants.models.VettingRequest.State",
        "TemplateStateEnum": "gallery.models.Template.State",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.api.schema.add_problems",
    ],
}

# ---- Logs --------------------------------------------------------------------------------------------------------

LOG_FORMAT = env.choice("ATRIUM_LOG_FORMAT", ("console", "json"), "console" if PROFILE == "embedded" else "json")
LOG_LEVEL = env.choice("ATRIUM_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
LOGGING_CONFIG = "portal.logs.configure"
LOGGING = {"format": LOG_FORMAT, "level": LOG_LEVEL}

UNFOLD = {
    "SITE_TITLE": "Atrium",
    "SITE_HEADER": "Atrium",
    "SITE_SYMBOL": "hub",
    "SHOW_HISTORY": True,
    # The portal's accent, as a scale around the two that its stylesheet names for light and dark.
    "COLORS": {
        "primary": {
            weight: f"oklch({light}% {chroma} 182)"
            for weight, light, chroma in (
                ("50", 97, 0.015),
                ("100", 94, 0.03),
                ("200", 88, 0.05),
                ("300", 81, 0.08),
                ("400", 76, 0.1),
                ("500", 60, 0.09),
                ("600", 46, 0.075),
                ("700", 41, 0.067),
                ("800", 35, 0.055),
                ("900", 30, 0.045),
                ("950", 22, 0.035),
            )
        }
    },
    "SHOW_VIEW_ON_SITE": False,
}
