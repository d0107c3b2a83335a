"""The ground floor's rows."""

from .governing import ApiKey, AuditEvent, Credential, Notice, UsageRecord
from .people import Invitation, Membership, Role, Space, User, UserManager, Workspace
from .spending import Budget, Hold, ModelOffer, Price, Spending
from .usage_days import UsageDay

__all__ = [
    "ApiKey",
    "AuditEvent",
    "Budget",
    "Credential",
    "Hold",
    "Invitation",
    "Membership",
    "ModelOffer",
    "Notice",
    "Price",
    "Role",
    "Space",
    "Spending",
    "UsageDay",
    "UsageRecord",
    "User",
    "UserManager",
    "Workspace",
]
