"""Objects of the loopback of Salesforce: their fields as (API name, type, label), what they refer to, and how they are called."""

from __future__ import annotations

STANDARD = (
    ("Id", "id", "Record ID"),
    ("OwnerId", "reference", "Owner ID"),
    ("CreatedById", "reference", "Created By ID"),
    ("CreatedDate", "datetime", "Created Date"),
    ("SystemModstamp", "datetime", "System Modstamp"),
    ("IsDeleted", "boolean", "Deleted"),
)
FIELDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Account": (
        ("Name", "string", "Account Name"),
        ("Type", "picklist", "Account Type"),
        ("Industry", "picklist", "Industry"),
        ("Phone", "phone", "Phone"),
        ("Website", "url", "Website"),
        ("Description", "textarea", "Description"),
        ("AnnualRevenue", "currency", "Annual Revenue"),
        ("BillingAddress", "address", "Billing Address"),
    ),
    "Opportunity": (
        ("Name", "string", "Opportunity Name"),
        ("StageName", "picklist", "Stage"),
        ("Amount", "currency", "Amount"),
        ("Probability", "percent", "Probability"),
        ("CloseDate", "date", "Close Date"),
        ("Description", "textarea", "Description"),
        ("AccountId", "reference", "Account ID"),
    ),
    "Case": (
        ("CaseNumber", "string", "Case Number"),
        ("Subject", "string", "Subject"),
        ("Description", "textarea", "Description"),
        ("Status", "picklist", "Status"),
        ("Priority", "picklist", "Priority"),
        ("AccountId", "reference", "Account ID"),
        ("ContactId", "reference", "Contact ID"),
    ),
    "Knowledge__kav": (
        ("KnowledgeArticleId", "reference", "Knowledge Article ID"),
        ("Title", "string", "Title"),
        ("Summary", "textarea", "Summary"),
        ("UrlName", "string", "URL Name"),
        ("PublishStatus", "picklist", "Publication Status"),
        ("Language", "picklist", "Language"),
        ("Body__c", "html", "Body"),
    ),
    "CaseComment": (("ParentId", "reference", "Parent ID"), ("CommentBody", "textarea", "Body")),
    "User": (("Name", "string", "Full Name"),),
}
TARGETS = {
    "OwnerId": "User",
    "CreatedById": "User",
    "AccountId": "Account",
    "ContactId": "Contact",
    "ParentId": "Case",
}
LABELS = {"Knowledge__kav": ("Knowledge", "Knowledge"), "Opportunity": ("Opportunity", "Opportunities")}
NAME_FIELD = {"Case": "CaseNumber", "Knowledge__kav": "Title"}
