"""One settings file, read from the environment. Without any variable this is the embedded farm on SQLite.

| variable | default | meaning |
|---|---|---|
| FARM_DATA | var/ | database, logs, archive, secrets (made with mode 0700) |
| DATABASE_URL | SQLite in FARM_DATA | postgresql://user:password@host:port/name |
| REDIS_URL | none: everything in one process | redis://host:port/0, the hints' and Celery's broker |
| FARM_BIND, FARM_PORT | 127.0.0.1, 8000 | where the embedded farm listens |
| FARM_HOSTS | localhost names | host names under which browsers and workers reach the farm, comma separated |
| FARM_LEASE | 60 | seconds of silence after which a host is given up |
| FARM_LOG_PACK_AFTER | 600 | seconds after its end at which a grant's log files are packed |
| FARM_SAMPLE_DAYS | 7 | days for which the load of hosts is kept: by the minute for 25 hours, then coarser |
| FARM_LOG_DAYS | 0: as long as the job | days after a job's end at which its logs are removed |
| FARM_DISK_WARN | 10 | percent of FARM_DATA's disk below which operators are warned |
| FARM_DISK_STOP | 3 | percent below which new jobs are refused, as below 500 MB; 0: never |
| FARM_METRICS_TOKEN | none: from this machine only | what a Prometheus server elsewhere sends as Bearer to /metrics |
| FARM_MAIL_URL | none: no mail | the mail server: smtp+tls://user:password@host:587 |
| FARM_MAIL_FROM | farm@ this machine | whom mail comes from |
| FARM_WEBHOOK_HOSTS | none: no webhooks | hosts that callbacks may post to, comma separated |
| FARM_WEBHOOK_SECRET | none: no webhooks | what signs webhooks |
| FARM_PYTHON_CALLBACKS | 0 | 1 lets callbacks run Python as the account of the farm (docs/callbacks.md) |
| FARM_OUTPUT_ROOTS | the home folder | folders of which the embedded farm's worker makes thumbnails, `:` between them |
| FARM_THUMBNAIL_DAYS | 30 | days for which thumbnails are kept |
| FARM_PATHS | none | prefixes of paths per system: a JSON file or JSON itself (docs/jobtypes.md) |
| FARM_AUTO_WRANGLING | off | watch over the hosts of every job, as the flag auto_wrangling does for one |
| FARM_URL | the embedded farm's | where the farm's own processes reach its API |
| FARM_SECRET | a file in FARM_DATA | signs sessions and attempt tokens; the same for all processes |
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF

from qbcore.errors import Invalid
from qbcore.paths import Table, parse_paths

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """The folder of everything the farm keeps; one that cannot be used ends the start with a sentence."""
    folder = Path(env.str("FARM_DATA", default="") or BASE_DIR / "var").resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as wrong:
        sys.stderr.write(
            f"The farm cannot start: its data folder {folder} cannot be written ({wrong.strerror}). "
            "Set FARM_DATA to a folder that can.\n"
        )
        raise SystemExit(2) from None
    return folder


def secret(folder: Path) -> str:
    """The farm's secret: given by the environment, else made once and kept beside the data."""
    given = env.str("FARM_SECRET", default="")
    if given:
        return str(given)
    path = folder / "secret"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()


def paths() -> Table:
    """The site's table of path prefixes; one that is malformed ends the start with a sentence."""
    given = env.str("FARM_PATHS", default="").strip()
    try:
        return parse_paths(given if given.startswith("[") or not given else Path(given).read_text())
    except (OSError, UnicodeDecodeError, Invalid) as wrong:
        sys.stderr.write(f"The farm cannot start: FARM_PATHS: {wrong}. Name a JSON file, or give a JSON list.\n")
        raise SystemExit(2) from None


FARM_DATA = data_folder()
FARM_BIND = env.str("FARM_BIND", default="127.0.0.1")
FARM_PORT = env.int("FARM_PORT", default=8000)
FARM_LEASE = env.float("FARM_LEASE", default=60.0)
FARM_PATHS = paths()
FARM_SLICE = env.int("FARM_SLICE", default=10_000)
FARM_AUTO_WRANGLING = env.bool("FARM_AUTO_WRANGLING", default=False)
FARM_ATTEMPT_DAYS = env.int("FARM_ATTEMPT_DAYS", default=90)
FARM_SAMPLE_DAYS = env.int("FARM_SAMPLE_DAYS", default=7)
FARM_LOG_PACK_AFTER = env.float("FARM_LOG_PACK_AFTER", default=600.0)
FARM_LOG_DAYS = env.float("FARM_LOG_DAYS", default=0.0)
FARM_DISK_WARN = env.float("FARM_DISK_WARN", default=10.0)
FARM_DISK_STOP = env.float("FARM_DISK_STOP", default=3.0)
FARM_METRICS_TOKEN = env.str("FARM_METRICS_TOKEN", default="")
FARM_THUMBNAIL_DAYS = env.int("FARM_THUMBNAIL_DAYS", default=30)
FARM_NAME = env.str("FARM_NAME", default="") or os.uname().nodename
REDIS_URL = env.str("REDIS_URL", default="")

SECRET_KEY = secret(FARM_DATA)
DEBUG = env.bool("FARM_DEBUG", default=False)
ALLOWED_HOSTS = [*env.list("FARM_HOSTS", default=[]), "localhost", "127.0.0.1", "[::1]", FARM_BIND]
CSRF_TRUSTED_ORIGINS = env.list("FARM_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "channels",
    "axes",
    "qbcore",
    "farm",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "farm.middleware.ActingMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "farm.urls"
ASGI_APPLICATION = "farm.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "farm.context.page",
            ],
            "libraries": {"farm": "farm.templatetags.farm"},
        },
    }
]


VANISHED = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": "-c idle_in_transaction_session_timeout=60s -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 "
    "-c tcp_keepalives_count=3",
}
"""A machine that vanished, or a process that stands still with locks in its hands, is noticed from both sides."""


def database() -> dict[str, Any]:
    """PostgreSQL with a pool, or SQLite whose writers take turns (see `qbcore.writing`)."""
    url = env.str("DATABASE_URL", default="")
    if url:
        found: dict[str, Any] = dict(env.db_url_config(url))
        found["CONN_MAX_AGE"] = 0
        found["CONN_HEALTH_CHECKS"] = True  # looked at before the pool gives one out: PostgreSQL may have restarted
        found["OPTIONS"] = {
            **VANISHED,
            "options": "-c plan_cache_mode=force_generic_plan -c random_page_cost=1.1",
            **found.get("OPTIONS", {}),
            "pool": {"min_size": 1, "max_size": env.int("FARM_POOL", default=16), "timeout": 8},
            "prepare_threshold": 0,  # for `writing.ask` alone: what Django composes itself is never prepared
        }
        return found
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FARM_DATA / "farm.sqlite3",
        "CONN_MAX_AGE": None,
        "TEST": {"NAME": FARM_DATA / f"test-{os.getpid()}.sqlite3"},  # a file, as in life: threads share it
        "OPTIONS": {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
            "PRAGMA cache_size=-64000; PRAGMA mmap_size=268435456;",
        },
    }


def channel_layers(redis: str) -> dict[str, dict[str, Any]]:
    """Redis publishes to all of its databases at once: the number in its address tells farms that share one apart."""
    if not redis:
        return {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    config = {"hosts": [redis], "prefix": f"farm{urlsplit(redis).path.strip('/') or 0}"}
    return {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": config}}


DATABASES = {"default": database()}
CHANNEL_LAYERS = channel_layers(REDIS_URL)
CELERY_BROKER_URL = REDIS_URL or "memory://localhost/"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "bulk"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # however long the broker is away
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"socket_timeout": 5, "socket_connect_timeout": 1, "retry_on_timeout": False, "ack_emulation": False}
    if REDIS_URL
    else {"polling_interval": 0.1}
)
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
AXES_RESET_ON_SUCCESS = True
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "jobs"
LOGOUT_REDIRECT_URL = "login"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("FARM_HTTPS", default=False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("FARM_HTTPS", default=False) else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024

STATIC_URL = "/static/"
STATIC_ROOT = None  # whitenoise serves what the finders find: nothing to collect
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

# Callbacks that reach out of the farm; each is off until it is set.
FARM_URL = env.str("FARM_URL", default="") or f"http://127.0.0.1:{FARM_PORT}"
FARM_MAIL = bool(env.str("FARM_MAIL_URL", default=""))
if FARM_MAIL:
    vars().update(env.email_url("FARM_MAIL_URL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("FARM_MAIL_FROM", default="") or f"farm@{FARM_NAME}"
FARM_WEBHOOK_HOSTS = env.list("FARM_WEBHOOK_HOSTS", default=[])
FARM_WEBHOOK_SECRET = env.str("FARM_WEBHOOK_SECRET", default="")
FARM_PYTHON_CALLBACKS = env.bool("FARM_PYTHON_CALLBACKS", default=False)

USE_TZ = True
TIME_ZONE = env.str("FARM_TIMEZONE", default="UTC")
USE_I18N = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.str("FARM_LOG_LEVEL", default="WARNING")},
}
