"""How Go's standard library reads what clients send, as far as Mattermost relies on it.

Header values and form fields are bytes in Go. Here they are str, decoded as UTF-8 with
surrogate escapes, so that nothing is lost on the way to a file name.
"""
