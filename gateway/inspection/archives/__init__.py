"""What is inside archives: found out within limits, from whatever bytes they are made of.

Readers of its own, since none of the libraries is for files that mean harm. Python's ``tarfile``
loads extended headers of any size and, in versions that are in use, hangs on one (CVE-2025-8194);
``zipfile`` loads a directory of millions before it can be asked how many; ``py7zr`` loads headers
that unpack to 256 MiB, takes LZMA windows of 4 GiB, and brings nine packages; ``rarfile`` runs
whatever ``unrar`` there is to read a comment, and passes over what it cannot parse.
"""
