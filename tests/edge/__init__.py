"""The edge: HTTP on real sockets, and the values that it is turned into."""
