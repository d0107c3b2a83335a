"""Addresses of assistants and conversations below /api/v1/workspaces/<slug>/."""

from django.urls import path

from assistants.api import assistants, conversations, helping, lifecycle, messages, versions, vetting

_assistant = "assistants/<slug:handle>/"
_request = "vetting-requests/<uuid:pk>/"
_message = "messages/<uuid:pk>/"

urlpatterns = [
    path("assistants/", assistants.Assistants.as_view(), name="assistants"),
    path("assistants/import/", versions.Import.as_view(), name="assistant-import"),
    path("pictures/", versions.Pictures.as_view(), name="pictures"),
    path("pictures/<uuid:pk>/", versions.OnePicture.as_view(), name="picture"),
    path(_assistant, assistants.OneAssistant.as_view(), name="assistant"),
    path(f"{_assistant}publish/", lifecycle.Publish.as_view(), name="assistant-publish"),
    path(f"{_assistant}unpublish/", lifecycle.Unpublish.as_view(), name="assistant-unpublish"),
    path(f"{_assistant}vet/", lifecycle.Vet.as_view(), name="assistant-vet"),
    path(f"{_assistant}unvet/", lifecycle.Unvet.as_view(), name="assistant-unvet"),
    path(f"{_assistant}hide/", lifecycle.Hide.as_view(), name="assistant-hide"),
    path(f"{_assistant}unhide/", lifecycle.Unhide.as_view(), name="assistant-unhide"),
    path(f"{_assistant}restore/", lifecycle.Restore.as_view(), name="assistant-restore-archived"),
    path(f"{_assistant}take-over/", lifecycle.TakeOver.as_view(), name="assistant-take-over"),
    path(f"{_assistant}owners/", lifecycle.Owners.as_view(), name="assistant-owners"),
    path(f"{_assistant}owners/<int:user>/", lifecycle.OneOwner.as_view(), name="assistant-owner"),
    path(f"{_assistant}needs/", lifecycle.Needs.as_view(), name="assistant-needs"),
    path(f"{_assistant}vetting-requests/", vetting.RequestsOfOne.as_view(), name="assistant-vetting-requests"),
    path(f"{_assistant}advice/", helping.AdviceOn.as_view(), name="assistant-advice"),
    path("assistant-fits/", helping.Fitting.as_view(), name="assistant-fits"),
    path("assistant-drafts/", helping.Drafts.as_view(), name="assistant-drafts"),
    path("assistant-defaults/", lifecycle.Defaults.as_view(), name="assistant-defaults"),
    path("assistant-hand-overs/", lifecycle.HandOver.as_view(), name="assistant-hand-overs"),
    path("vetting-requests/", vetting.VettingRequests.as_view(), name="vetting-requests"),
    path(_request, vetting.OneRequest.as_view(), name="vetting-request"),
    path(f"{_request}withdraw/", vetting.Withdraw.as_view(), name="vetting-request-withdraw"),
    path(f"{_request}approve/", vetting.Approve.as_view(), name="vetting-request-approve"),
    path(f"{_request}ask-changes/", vetting.AskChanges.as_view(), name="vetting-request-ask-changes"),
    path(f"{_request}decline/", vetting.Decline.as_view(), name="vetting-request-decline"),
    path(f"{_assistant}versions/", versions.Versions.as_view(), name="assistant-versions"),
    path(f"{_assistant}versions/compare/", versions.Compare.as_view(), name="assistant-compare"),
    path(f"{_assistant}versions/<int:number>/", versions.OneVersion.as_view(), name="assistant-version"),
    path(f"{_assistant}versions/<int:number>/restore/", versions.RollBack.as_view(), name="assistant-restore"),
    path(f"{_assistant}export/", versions.Export.as_view(), name="assistant-export"),
    path("conversations/", conversations.Conversations.as_view(), name="conversations"),
    path("conversations/<uuid:pk>/", conversations.OneConversation.as_view(), name="conversation"),
    path("conversations/<uuid:pk>/messages/", messages.ConversationMessages.as_view(), name="messages"),
    path(_message, messages.OneMessage.as_view(), name="message"),
    path(f"{_message}events/", messages.Events.as_view(), name="message-events"),
    path(f"{_message}stop/", messages.Stop.as_view(), name="message-stop"),
    path(f"{_message}edit/", messages.Edit.as_view(), name="message-edit"),
    path(f"{_message}again/", messages.Again.as_view(), name="message-again"),
    path(f"{_message}next/", messages.AskNext.as_view(), name="message-next"),
    path(f"{_message}feedback/", messages.GiveFeedback.as_view(), name="message-feedback"),
]
