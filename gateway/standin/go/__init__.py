"""How Go's standard library reads what clients send, as far as Mattermost relies on it.

Mattermost 5.37 was released with Go 1.16 and recorded with Go 1.19. Forms are read as by the
recorded one. Queries are read as by the released one, for which semicolons separate parameters:
that is the reading which a gateway is more likely to miss.

Header values and form fields are bytes in Go. Here they are str, decoded as UTF-8 with
surrogate escapes, so that nothing is lost on the way to a file name.
"""
