"""A2A as a client: cards, versions 1.0 and 0.3, JSON-RPC and HTTP+JSON, behind a guard against addresses nobody should call."""
