"""Addresses of the ground floor below /api/v1/workspaces/<slug>/."""

from django.urls import path

from portal.api import audit, credentials, keys, notices, people, spaces, spending, workspace

urlpatterns = [
    path("", workspace.TheWorkspace.as_view(), name="workspace"),
    path("me/", workspace.Me.as_view(), name="me"),
    path("notices/", notices.Notices.as_view(), name="notices"),
    path("notices/read/", notices.MarkRead.as_view(), name="notices-read"),
    path("people/", people.People.as_view(), name="people"),
    path("people/import/", people.ImportPeople.as_view(), name="people-import"),
    path("people/<uuid:pk>/", people.Person.as_view(), name="person"),
    path("invitations/", people.Invitations.as_view(), name="invitations"),
    path("invitations/<uuid:pk>/", people.OneInvitation.as_view(), name="invitation"),
    path("spaces/", spaces.Spaces.as_view(), name="spaces"),
    path("spaces/<uuid:pk>/", spaces.OneSpace.as_view(), name="space"),
    path("api-keys/", keys.Keys.as_view(), name="api-keys"),
    path("api-keys/<uuid:pk>/", keys.OneKey.as_view(), name="api-key"),
    path("credentials/", credentials.Credentials.as_view(), name="credentials"),
    path("credentials/<uuid:pk>/", credentials.OneCredential.as_view(), name="credential"),
    path("credentials/<uuid:pk>/test/", credentials.CredentialTest.as_view(), name="credential-test"),
    path("models/", credentials.Models.as_view(), name="models"),
    path("budgets/", spending.Budgets.as_view(), name="budgets"),
    path("budgets/<uuid:pk>/", spending.OneBudget.as_view(), name="budget"),
    path("prices/", spending.Prices.as_view(), name="prices"),
    path("prices/<int:pk>/", spending.OnePrice.as_view(), name="price"),
    path("model-offers/", spending.Offers.as_view(), name="model-offers"),
    path("model-offers/<int:pk>/", spending.OneOffer.as_view(), name="model-offer"),
    path("me/spending/", spending.MySpending.as_view(), name="me-spending"),
    path("audit/", audit.Audit.as_view(), name="audit"),
    path("audit/export/", audit.AuditExport.as_view(), name="audit-export"),
]
