"""The status page on the admin port: who may see it, what it shows, how it stays live."""
