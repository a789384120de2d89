"""People: who they are, all that is known of them, what they are worth."""
