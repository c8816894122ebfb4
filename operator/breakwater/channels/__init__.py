"""Communication channels: one flow each, encrypted, authenticated, authorized and proven."""
