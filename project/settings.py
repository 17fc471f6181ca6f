"""Every setting of Lectern. A fresh checkout needs none of them: it runs on one machine with no account and no key."""

import re
from pathlib import Path

import environ
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_noop

from project import local
from project.environment import choice, fraction, kept_secret, limits, names, switch, text, whole_number, words

BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env")

# What Lectern keeps: uploaded files, secrets and, in the embedded mode, the database.
DATA_DIR = Path(text("LECTERN_DATA", str(BASE_DIR / "data"))).resolve()
SECRET_KEY = text("DJANGO_SECRET_KEY") or kept_secret(DATA_DIR / "secret_key")
DEBUG = switch("DJANGO_DEBUG", False)
ORGANISATION = text("LECTERN_ORGANISATION")

# Embedded: Postgres and Redis are private children of `manage.py start`, and the pages are for this machine alone.
DATABASE_URL = text("DATABASE_URL")
REDIS_URL = text("REDIS_URL") or local.redis_url(DATA_DIR)
EMBEDDED_POSTGRES = not DATABASE_URL
EMBEDDED_REDIS = not text("REDIS_URL")
LOOPBACK_ONLY = EMBEDDED_POSTGRES or EMBEDDED_REDIS

PORT = whole_number("PORT", 8000, least=1, most=65_535)
ALLOWED_HOSTS = words("DJANGO_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = words("DJANGO_CSRF_TRUSTED_ORIGINS")
BASE_URL = text("LECTERN_BASE_URL", f"http://localhost:{PORT}").rstrip("/")
SECURE = BASE_URL.startswith("https://")

INSTALLED_APPS = [
    "project",
    "documents",
    "chat",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "csp",
    "ninja",
    "allauth",
    "allauth.account",
]

MIDDLEWARE = [
    "project.audit.remembered",
    "project.middleware.numbered",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "project.middleware.OtherOrigins",
    "project.middleware.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "project.middleware.Language",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "project.middleware.PrivatePages",
    "project.middleware.RateHeaders",
    "project.middleware.Limits",
]

ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

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
                "project.views.shell",
                "documents.views.library_state",
            ],
            "builtins": ["django.templatetags.i18n", "project.templatetags.icons", "project.templatetags.sentences"],
        },
    }
]

_database = environ.Env.db_url_config(DATABASE_URL) if DATABASE_URL else local.database(DATA_DIR)
_database["ENGINE"] = "django.db.backends.postgresql"
_database["CONN_HEALTH_CHECKS"] = True  # After the database comes back, no page pays for a dead connection.
_database.setdefault("OPTIONS", {})
_database["OPTIONS"]["pool"] = {"min_size": 0, "max_size": whole_number("LECTERN_DB_POOL", 16, least=2), "timeout": 5}
DATABASES = {"default": _database}

CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch")]
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "project" / "locale"]
FORMAT_MODULE_PATH = "project.formats"
TIME_ZONE = text("TZ", "UTC")
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
WHITENOISE_USE_FINDERS = True  # Nothing to collect before a first start.
MEDIA_ROOT = DATA_DIR / "files"

# Who may come in ---------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "project.accounts.AccountAdapter"
ACCOUNT_OPEN_FOR_SIGNUP = switch("LECTERN_OPEN_SIGNUP", False)
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ALLAUTH_TRUSTED_PROXY_COUNT = whole_number("LECTERN_TRUSTED_PROXIES", 0)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
if EMAIL_URL := text("EMAIL_URL"):
    vars().update(environ.Env.email_url_config(EMAIL_URL))
DEFAULT_FROM_EMAIL = text("DEFAULT_FROM_EMAIL", "lectern@localhost")

# Bearer tokens of Microsoft Entra ID, beside Lectern's own keys
ENTRA_TENANT = text("LECTERN_ENTRA_TENANT")
ENTRA_AUDIENCES = words("LECTERN_ENTRA_AUDIENCE")
ENTRA_ISSUER = text("LECTERN_ENTRA_ISSUER", ENTRA_TENANT and f"https://login.microsoftonline.com/{ENTRA_TENANT}/v2.0")
ENTRA_NEW_PEOPLE = switch("LECTERN_ENTRA_NEW_PEOPLE", False)
if not re.fullmatch(r"(https://[^\s/]\S*|http://(localhost|127\.0\.0\.1)(:\d+)?(/\S*)?)?", ENTRA_ISSUER):
    raise ImproperlyConfigured(f"LECTERN_ENTRA_ISSUER is {ENTRA_ISSUER!r}: it must begin with https://.")
if ENTRA_TENANT in {"common", "organizations", "consumers"}:
    raise ImproperlyConfigured(f"LECTERN_ENTRA_TENANT is {ENTRA_TENANT!r}: name one tenant, by its id.")
if ENTRA_ISSUER and not ENTRA_AUDIENCES:
    raise ImproperlyConfigured("LECTERN_ENTRA_AUDIENCE must say for whom the tokens of the issuer are made.")

# What a browser is allowed to do -----------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
CORS_ORIGINS = words("LECTERN_CORS_ORIGINS")  # whose pages may call the API; none, unless they are named
for _origin in CORS_ORIGINS:
    if not re.fullmatch(r"https?://[^\s/?#@*]+", _origin):
        raise ImproperlyConfigured(f"LECTERN_CORS_ORIGINS: {_origin!r} must be like https://app.example.org.")
CSRF_FAILURE_VIEW = "project.views.csrf_failed"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_SSL_REDIRECT = SECURE and switch("DJANGO_SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
if SECURE:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_NAME = "lectern_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
# Several Lecterns on one host must not sign each other out.
SESSION_COOKIE_NAME = f"lectern_session_{PORT}" if LOOPBACK_ONLY else "lectern_session"
CSRF_COOKIE_NAME = f"lectern_csrf_{PORT}" if LOOPBACK_ONLY else "lectern_csrf"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_100  # A thousand chosen documents, and the form they come in.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

# What may be uploaded ----------------------------------------------------------------------------------------------
UPLOAD_MAX_BYTES = whole_number("LECTERN_UPLOAD_MAX_MB", 100, least=1) * 1_000_000
QUOTA_BYTES = whole_number("LECTERN_QUOTA_MB", 20_000, least=1) * 1_000_000
QUOTA_FILES = whole_number("LECTERN_QUOTA_FILES", 50_000, least=1)
QUOTA_PAGES = whole_number("LECTERN_QUOTA_PAGES", 2_000_000, least=1)
QUEUE_MAX = whole_number("LECTERN_QUEUE_MAX", 20_000, least=1)
QUEUE_MAX_EACH = whole_number("LECTERN_QUEUE_MAX_EACH", 5_000, least=1)
PAGES_MAX = whole_number("LECTERN_PAGES_MAX", 5_000, least=1)
EXTRACT_MEMORY_BYTES = whole_number("LECTERN_EXTRACT_MEMORY_MB", 1_024, least=256) * 1_048_576
EXTRACT_SECONDS = whole_number("LECTERN_EXTRACT_SECONDS", 600, least=5)

# How documents become findable -------------------------------------------------------------------------------------
CHUNK_TOKENS = whole_number("LECTERN_CHUNK_TOKENS", 400, least=50)
CHUNK_OVERLAP = fraction("LECTERN_CHUNK_OVERLAP", 0.1)
FUSION = choice("LECTERN_FUSION", ("convex", "rrf"))
FUSION_ALPHA = fraction("LECTERN_FUSION_ALPHA", 0.5)
RERANK_URL = text("LECTERN_RERANK_URL")
if not re.fullmatch(r"(https?://[^\s/]\S*)?", RERANK_URL):
    raise ImproperlyConfigured("LECTERN_RERANK_URL is no address: it must begin with https:// or http://.")
RERANK_KEY = text("LECTERN_RERANK_KEY")
RERANK_MODEL = text("LECTERN_RERANK_MODEL")
RERANK_SECONDS = whole_number("LECTERN_RERANK_SECONDS", 2, least=1, most=30)
SEARCH_BACKEND = choice("LECTERN_SEARCH_BACKEND", ("pgvector", "azure"))
SEARCH_BACKENDS = {
    "pgvector": "documents.search.pgvector.PgvectorBackend",
    "azure": "documents.search.azure.AzureSearchBackend",
}
RECENT_QUESTIONS = "chat.questions.recent"
EVALUATE_ANSWERS = "chat.evaluation.ask_all"
CONSOLE_QUESTIONS = choice("LECTERN_CONSOLE_QUESTIONS", ("all", "feedback", "none"))
PROBES = ("project.doctor.probes", "documents.doctor.probes")
CONSOLE_PAGES = (
    (gettext_noop("Overview"), "console"),
    (gettext_noop("Indexes"), "console-indexes"),
    (gettext_noop("Documents and jobs"), "console-documents"),
    (gettext_noop("Consistency"), "console-consistency"),
    (gettext_noop("Search playground"), "console-search"),
    (gettext_noop("Evaluation"), "console-evaluation"),
    (gettext_noop("Questions and feedback"), "console-questions"),
    (gettext_noop("Gap map"), "console-gaps"),
    (gettext_noop("Health"), "console-health"),
    (gettext_noop("Models"), "console-models"),
    (gettext_noop("Spending"), "console-spending"),
    (gettext_noop("Budgets"), "console-budgets"),
    (gettext_noop("Wording"), "console-wording"),
    (gettext_noop("Moderation"), "console-moderation"),
    (gettext_noop("Batches"), "batches"),
    (gettext_noop("Members"), "console-members"),
    (gettext_noop("All keys"), "console-keys"),
    (gettext_noop("Audit"), "console-audit"),
    (gettext_noop("Permission proof"), "console-permissions"),
)
MCP_DOOR = "chat.mcp.http.application"
COLLECTION_NAMES = "documents.models.collections.collection_names"
INGEST_ATTEMPTS = 3
LEASE_SECONDS = whole_number("LECTERN_LEASE_SECONDS", 60, least=5)
TURN_SECONDS = 5  # after which a document is laid aside if others wait

# Azure AI Search, for the indexes that lie there -------------------------------------------------------------------
AZURE_SEARCH_ENDPOINT = text("AZURE_SEARCH_ENDPOINT").rstrip("/")
AZURE_SEARCH_KEY = text("AZURE_SEARCH_KEY") or text("AZURE_SEARCH_API_KEY") or text("AZURE_SEARCH_ADMIN_KEY")
AZURE_SEARCH_SEMANTIC = switch("AZURE_SEARCH_SEMANTIC", False)
if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", AZURE_SEARCH_PREFIX := text("AZURE_SEARCH_PREFIX", "lectern")):
    raise ImproperlyConfigured(f"AZURE_SEARCH_PREFIX is {AZURE_SEARCH_PREFIX!r}: small letters, digits and dashes.")
if not re.match(r"https://.|http://(localhost|127\.0\.0\.1)(:|$)|$", AZURE_SEARCH_ENDPOINT):
    raise ImproperlyConfigured(f"AZURE_SEARCH_ENDPOINT is {AZURE_SEARCH_ENDPOINT!r}: it must begin with https://.")
if SEARCH_BACKEND == "azure" and not AZURE_SEARCH_ENDPOINT:
    raise ImproperlyConfigured("LECTERN_SEARCH_BACKEND is 'azure': AZURE_SEARCH_ENDPOINT must say where.")

# Programs written for Azure OpenAI On Your Data --------------------------------------------------------------------
ON_YOUR_DATA_INDEXES = names(
    "LECTERN_ON_YOUR_DATA_INDEXES", ("azure_search", "azure_cosmos_db", "elasticsearch", "mongo_db", "pinecone")
)
SEARCH_HOSTS = [host.lower() for host in words("LECTERN_SEARCH_HOSTS")]
if _wrong := [host for host in SEARCH_HOSTS if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?", host)]:
    raise ImproperlyConfigured(
        f"LECTERN_SEARCH_HOSTS: {_wrong[0]!r} is no name of a host, such as x.search.windows.net."
    )

# Background work ---------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = (
    f"redis+socket://{REDIS_URL.removeprefix('unix://')}" if REDIS_URL.startswith("unix://") else REDIS_URL
)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "unacked_restore_interval": 3,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 3000
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat")
CELERY_BEAT_SCHEDULE = {
    "check-consistency": {"task": "documents.tasks.check_consistency", "schedule": crontab(hour=3, minute=30)},
    "sweep": {"task": "documents.tasks.sweep", "schedule": 15.0, "options": {"expires": 15}},
    "sweep-batches": {"task": "chat.tasks.sweep_batches", "schedule": 15.0, "options": {"expires": 15}},
    "recheck-kept-answers": {"task": "chat.tasks.recheck", "schedule": 600.0, "options": {"expires": 600}},
    "look-again-at-gaps": {"task": "chat.tasks.look_again", "schedule": 600.0, "options": {"expires": 600}},
    "sweep-conversations": {"task": "chat.tasks.sweep_conversations", "schedule": crontab(minute="*/10")},
    "sweep-responses": {"task": "chat.tasks.sweep_responses", "schedule": crontab(hour=3, minute=50)},
    "end-interrupted-answers": {"task": "chat.tasks.end_interrupted", "schedule": 30.0, "options": {"expires": 30}},
}

# The language model, if there is one -------------------------------------------------------------------------------
AZURE_OPENAI_ENDPOINT = text("AZURE_OPENAI_ENDPOINT").rstrip("/")
AZURE_OPENAI_API_KEY = text("AZURE_OPENAI_API_KEY") or text("AZURE_OPENAI_KEY")
AZURE_OPENAI_API_VERSION = text("AZURE_OPENAI_API_VERSION", "v1")
AZURE_OPENAI_CHAT_DEPLOYMENT = text("AZURE_OPENAI_CHAT_DEPLOYMENT") or text("AZURE_OPENAI_DEPLOYMENT")
OPENAI_BASE_URL = text("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/")
OPENAI_API_KEY = text("OPENAI_API_KEY")
OPENAI_CHAT_MODEL = text("OPENAI_CHAT_MODEL")
OPENAI_ORGANISATION = text("OPENAI_ORGANIZATION") or text("OPENAI_ORG_ID")
OPENAI_PROJECT = text("OPENAI_PROJECT") or text("OPENAI_PROJECT_ID")
CHAT_BASE_MODEL = text("LECTERN_CHAT_BASE_MODEL")
CHAT_API = choice("LECTERN_CHAT_API", ("chat", "responses"))
CHAT_EFFORT = text("LECTERN_CHAT_EFFORT").lower()
CHAT_REQUESTS_A_MINUTE = whole_number("LECTERN_CHAT_REQUESTS_A_MINUTE", 0)
CHAT_TOKENS_A_MINUTE = whole_number("LECTERN_CHAT_TOKENS_A_MINUTE", 0)
DEPLOYMENTS_FILE = text("LECTERN_DEPLOYMENTS")
CATALOGUE_FILE = text("LECTERN_CATALOGUE")
AZURE_OPENAI_EMBEDDING_DEPLOYMENT = text("AZURE_OPENAI_EMBEDDING_DEPLOYMENT")
OPENAI_EMBEDDING_MODEL = text("OPENAI_EMBEDDING_MODEL")
EMBEDDING_DIMENSIONS = whole_number("LECTERN_EMBEDDING_DIMENSIONS", 0, most=4_000)
if not re.fullmatch(r"\d+(\.\d+)?", _price := text("LECTERN_EMBEDDING_PRICE", "0")):
    raise ImproperlyConfigured(f"LECTERN_EMBEDDING_PRICE is {_price!r}: it must be a number, such as 0.02.")
EMBEDDING_REQUESTS_A_MINUTE = whole_number("LECTERN_EMBEDDING_REQUESTS_A_MINUTE", 0)
EMBEDDING_TOKENS_A_MINUTE = whole_number("LECTERN_EMBEDDING_TOKENS_A_MINUTE", 0)
EMBEDDING_PRICE = float(_price)  # for a million tokens; 0: unknown
RESPONSES_DAYS = whole_number("LECTERN_RESPONSES_DAYS", 30, least=1, most=3_650)
CHAT_CONTEXT_TOKENS = whole_number("LECTERN_CONTEXT_TOKENS", 8_000, least=1_000)
CHAT_ANSWER_TOKENS = whole_number("LECTERN_ANSWER_TOKENS", 1_000, least=50)
CACHE_ANSWERS_S = whole_number("LECTERN_CACHE_ANSWERS", 0, most=43_200) * 60
SUMMARISE_HISTORY = switch("LECTERN_SUMMARISE_HISTORY", False)
REWRITE = choice("LECTERN_REWRITE", ("model", "rules"))
SUGGESTIONS = switch("LECTERN_SUGGESTIONS", True)
UNSUPPORTED = choice("LECTERN_UNSUPPORTED", ("mark", "hide", "rewrite"))
SECOND_OPINION = switch("LECTERN_SECOND_OPINION", False)
MODERATION = choice("LECTERN_MODERATION", ("off", "openai", "filter", "words"))
MODERATION_LIMITS = limits("LECTERN_MODERATION_LIMITS")
MODERATION_WORDS = text("LECTERN_MODERATION_WORDS")
MODERATION_FAILURE = choice("LECTERN_MODERATION_FAILURE", ("closed", "open"))
MODERATION_KEEP_TEXT = switch("LECTERN_MODERATION_KEEP_TEXT", False)
QUESTION_MAX_LETTERS = 20_000
REQUESTS_A_MINUTE = whole_number("LECTERN_REQUESTS_A_MINUTE", 6_000, least=1)
TOKENS_A_MINUTE = whole_number("LECTERN_TOKENS_A_MINUTE", 1_000_000, least=1)
STREAMS_AT_ONCE = 2
UNREAD_SECONDS = whole_number("LECTERN_UNREAD_SECONDS", 20, least=1, most=600)
SHARE_WITH_STRANGERS = switch("LECTERN_SHARE_WITH_STRANGERS", False)

NINJA_PAGINATION_PER_PAGE = 100

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": text("LECTERN_LOG_LEVEL", "INFO").upper()},
    "loggers": {
        "azure": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "mcp": {"level": "WARNING"},
        "pypdf": {"level": "ERROR"},
        "psycopg.pool": {"level": "ERROR"},
        "django.request": {"level": "ERROR"},
    },
}
