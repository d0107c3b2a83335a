"""The addresses of templates: pages below /w/<slug>/, API below /api/v1/workspaces/<slug>/."""

from typing import Any

from django.urls import path

from gallery import api_offers, api_templates, api_trying
from gallery import views_installing as installing
from gallery import views_offering as offering
from gallery import views_packs as packs
from gallery import views_templates as templates

PAGES: list[Any] = [
    path("templates/", templates.templates, name="templates"),
    path("templates/packs/", packs.page, name="template_packs"),
    path("templates/packs/export/", packs.export, name="template_export"),
    path("templates/<uuid:pk>/", templates.template, name="template"),
    path("templates/<uuid:pk>/install/", installing.install, name="template_install"),
    path("templates/<uuid:pk>/try/", installing.try_out, name="template_try"),
    path("templates/<uuid:pk>/rate/", templates.rate, name="template_rate"),
    path("templates/<uuid:pk>/settle/", templates.settle, name="template_settle"),
    path("assistants/<slug:handle>/offer/", offering.offer, name="template_offer"),
    path("assistants/<slug:handle>/template/", offering.update, name="template_update"),
]
_one = "templates/<uuid:pk>/"
API: list[Any] = [
    path("templates/", api_templates.Templates.as_view(), name="templates"),
    path("templates/packs/", api_offers.Packs.as_view(), name="template-packs"),
    path(_one, api_templates.OneTemplate.as_view(), name="template"),
    path(f"{_one}install/", api_templates.Install.as_view(), name="template-install"),
    path(f"{_one}try/", api_trying.TryTemplate.as_view(), name="template-try"),
    path(f"{_one}rating/", api_templates.Rate.as_view(), name="template-rating"),
    path(f"{_one}approve/", api_offers.Approve.as_view(), name="template-approve"),
    path(f"{_one}decline/", api_offers.Decline.as_view(), name="template-decline"),
    path(f"{_one}withdraw/", api_offers.Withdraw.as_view(), name="template-withdraw"),
    path(f"{_one}take-back/", api_offers.TakeBack.as_view(), name="template-take-back"),
    path(f"{_one}feature/", api_offers.Feature.as_view(), name="template-feature"),
    path("assistants/<slug:handle>/offer/", api_offers.Offer.as_view(), name="assistant-offer"),
    path("assistants/<slug:handle>/template/", api_templates.Update.as_view(), name="assistant-template"),
]
