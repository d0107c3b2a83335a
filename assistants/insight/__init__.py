"""What owners and admins learn from use and feedback. Nobody's question is shown that its author did not share.

Texts and topics come from what three people or more have in common, or from what its author shared; all else is counted.
"""
