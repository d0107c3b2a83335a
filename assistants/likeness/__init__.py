"""What assistants are like: which are similar to a text, and which fit a question.

``similar`` and ``fitting`` give only assistants that this person may use today, as SQL says, never hidden or archived ones;
``near_blocking`` leaves that to its caller's query. They raise IndexUnavailable, and ProviderError where the workspace's embedder is a vendor's.
"""

from assistants.likeness.finding import Fit, fitting, near_blocking, similar, similar_blocking

__all__ = ["Fit", "fitting", "near_blocking", "similar", "similar_blocking"]
