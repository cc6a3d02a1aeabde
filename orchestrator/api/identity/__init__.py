"""Who calls, and what they may: tokens, roles, the login endpoints, principals."""
