"""Every address. Closed by default: what is open to all says so in its view, or here."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from project import audit_pages, console, views
from project.api import api
from project.keys import console as all_keys
from project.keys import pages as keys
from project.spending import budgets, pages

api.add_router("/api", "documents.api.router")
api.add_router("/api", "project.management_api.router")
api.add_router("/api", "chat.management_api.router")
api.add_router("/v1", "chat.api.router")
api.add_router("/v1", "documents.openai_api.routes.router")

programs, program_app, program_name = api.urls
for route in programs:
    if route.callback is not None:
        login_not_required(route.callback)  # A key signs these calls; the description of the API is for everybody.

handler400, handler403, handler404, handler500 = (
    "project.views.bad_request",
    "project.views.forbidden",
    "project.views.not_found",
    "project.views.server_error",
)

urlpatterns = [
    path("", include("chat.urls")),
    path("library/", include("documents.urls")),
    path("signin/<str:token>/", views.signin, name="signin"),
    path("accounts/", include("allauth.account.urls")),
    path("language/", login_not_required(require_POST(set_language)), name="language"),
    path("console/health/", console.health, name="console-health"),
    path("console/workers/<str:name>/", console.worker, name="console-worker"),
    path("console/models/", console.models, name="console-models"),
    path("console/spending/", pages.spending, name="console-spending"),
    path("console/spending.csv", pages.spending_csv, name="console-spending-csv"),
    path("console/budgets/", budgets.budgets, name="console-budgets"),
    path("console/budgets/set/", budgets.set_budget, name="console-budget-set"),
    path("console/budgets/<int:pk>/", budgets.change_budget, name="console-budget"),
    path("console/budgets/<int:pk>/delete/", budgets.delete_budget, name="console-budget-delete"),
    path("usage/", pages.my_usage, name="usage"),
    path("usage.csv", pages.my_usage_csv, name="usage-csv"),
    path("keys/", keys.keys, name="keys"),
    path("keys/<int:pk>/revoke/", keys.revoke_key, name="key-revoke"),
    path("console/", include("documents.console.urls")),
    path("console/keys/", all_keys.all_keys, name="console-keys"),
    path("console/keys/<int:pk>/revoke/", all_keys.revoke_any, name="console-key-revoke"),
    path("console/audit/", audit_pages.audited, name="console-audit"),
    path("console/audit.csv", audit_pages.audit_csv, name="console-audit-csv"),
    path("console/members/", include("documents.console.member_urls")),
    path("console/", include("chat.console.urls")),
    path("admin/", admin.site.urls),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("", (programs, program_app, program_name)),
    path("openai/", include("chat.on_your_data.urls")),  # Last: what nobody else answers there is not found.
]
