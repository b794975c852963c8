"""Programs that upload with credentials of their own: API keys, and tokens of issuers."""
