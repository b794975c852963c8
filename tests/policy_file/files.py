"""Policy files that are right, and such that are wrong."""

from typing import NamedTuple

EVERYTHING = """\
[[rule]]
name = "All_of-it"
enforce = false
message = " No. "
max_file_size = "1.5 MiB"
allowed_types = ["images", "application/x-pdf", "video/*"]
denied_types = "executables, macros,"
allowed_extensions = [".PDF", "*.tar.gz"]
denied_extensions = "default, iso"
allowed_names = ["Invoice-*.pdf", "Ä?.[ch]"]
denied_names = "*,*"
extension_agreement = "strict"
quotas = []
scan = true
strip_metadata = "require"
[rule.when]
endpoint = ["files", "unlisted", "imports", "saml_certificate"]
role = ["guest", "team_admin"]
identity = "session"
team = "Staff"
channel = ["~Town-Square", "4xp9fdt77pncbef59f4k1qe83o"]
user = ["@Bob", "alice.b:remote"]
[rule.archives]
max_entries = 1
max_unpacked_size = 2
max_ratio = 3
max_depth = 4
max_seconds = 5
encrypted = "allow"
unreadable = "deny"
[rule.images]
max_pixels = 6_000
max_frames = 7
"""

GOOD = {
    "everything": EVERYTHING,
    "a name is enough": '[[rule]]\nname = "a"\n',
    "one line": "rule = [{ name = 'a', when = { role = 'bot' }, archives = {} }]",
    "defaults": "[[rule]]\nname = 'a'\narchives = true\nimages = true\nstrip_metadata = true",
    "nothing": "[[rule]]\nname = 'a'\nallowed_types = []\ndenied_types = ''\nallowed_names = []\n"
    "denied_extensions = []\nstrip_metadata = false\nscan = false\n",
    "quotas": "[[rule]]\nname = 'a'\nquotas = 'user 1.5GiB/day, user 200 files / hour,'\n"
    "when = { endpoint = ['files', 'emoji'], role = ['guest', 'user'] }\n[[rule]]\nname = 'b'\n"
    "quotas = ['guest 1 file total', 'team 20GiB/month', 'key 4 at once', 'everyone 1B/minute']\n",
    "sizes": "[[rule]]\nname = 'a'\nwhen.role = 'bot'\nmax_file_size = 1\n"
    "[[rule]]\nname = 'b'\nmax_file_size = ' 20kb '\n",
    "all": "[[rule]]\nname = 'a'\nallowed_types = '*'\ndenied_types = ['*/*', 'x-epoc/x-sisx-app']",
    "an ending that is nearly default": "[[rule]]\nname = 'a'\ndenied_extensions = ['.defaults']",
    "places": "[[rule]]\nname = 'a'\nwhen = { endpoint = ['emoji', 'uploads'], channel = 'x' }\n"
    "[[rule]]\nname = 'b'\nwhen = { endpoint = 'team_image', team = 'x' }\n"
    "[[rule]]\nname = 'c'\nwhen = { identity = ['server', 'session'], role = 'user' }\n"
    "[[rule]]\nname = 'd'\nwhen = { identity = 'server', user = '4xp9fdt77pncbef59f4k1qe83o' }\n",
    "watched first": "[[rule]]\nname = 'a'\nenforce = false\n[[rule]]\nname = 'b'\n",
    "narrow first": "[[rule]]\nname = 'a'\nwhen.role = 'guest'\n[[rule]]\nname = 'b'\n",
}


class Bad(NamedTuple):
    """Lines of a rule, and what is said of the last of them."""

    lines: str
    told: str
    seen_by_schema: bool = True

    @property
    def text(self) -> str:
        """The lines in a file, in which the rule's name comes first."""
        return f'# A rule\n[[rule]]\nname = "a"\n{self.lines}\n'

    @property
    def line(self) -> int:
        return self.lines.count("\n") + 4


UNSEEN = False

BAD = [
    # Keys
    Bad("max_filesize = 1", "max_filesize is not a key of a rule; did you mean max_file_size?"),
    Bad("role = 'guest'", "role is not a key of a rule; did you mean when.role?"),
    Bad("max_depth = 1", "max_depth is not a key of a rule; did you mean archives.max_depth?"),
    Bad("zzz = 1", "zzz is not a key of a rule; there are name, when, enforce, "),
    Bad("when.rol = 1", "when.rol is not a key of when; did you mean when.role?"),
    Bad("when.max_depth = 1", "when.max_depth is not a key of when; did you mean archives.max"),
    Bad("[rule.archives]\nmax_entry = 1", "did you mean archives.max_entries?"),
    Bad("images = { pixels = 1 }", "images.pixels is not a key of images; did you mean images."),
    Bad("when.x.y = 1", "when.x is not a key of when; there are when.endpoint, when.role"),
    # Conditions
    Bad("when.endpoint = 'file'", "when.endpoint: 'file' is not known; did you mean files?"),
    Bad("when.endpoint = 'upload_data'", "'upload_data' is not known; chunks follow what holds"),
    Bad("when.endpoint = 'attachments'", "attachments come to files and uploads"),
    Bad("when.endpoint = 'zzz'", "'zzz' is none of files, uploads, license"),
    Bad("when.role = 'gast'", "when.role: 'gast' is not known; did you mean guest?"),
    Bad("when.role = 'all'", "'all' is none of guest, user, bot, team_admin, system_admin"),
    Bad("when.role = 'Guest'", "when.role: 'Guest' is not known; did you mean guest?"),
    Bad("when.role = [\n'guest',\n'admin']", "'admin' is not known; did you mean team_admin?"),
    Bad("when.role = 'guest, bot'", "'guest, bot' is n"),
    Bad("when.identity = 'sesion'", "did you mean session?"),
    Bad("when.user = []", "when.user: an empty list could mean always or never"),
    Bad("when.role = [ ] # nobody", "when.role: an empty list could mean always or never"),
    Bad("when.team = ''", "when.team: '' is not a team's id"),
    Bad("when.channel = 'Town Square'", "'Town Square' is not a channel's id, or its name"),
    Bad("when.channel = '#town-square'", "such as town-square"),
    Bad("when.user = 'bob@example.com'", "the name to log in with"),
    Bad("when.user = 5", "when.user: expected a list"),
    Bad("when.user = ['bob',\n5]", "when.user: expected a string"),
    Bad("when = 'guest'", "when: expected a table"),
    # Types
    Bad("allowed_types = 'image'", "allowed_types: 'image' is not known; did you mean images?"),
    Bad("allowed_types = ['text',\n'imags']", "'imags' is not known; did you mean images?"),
    Bad("allowed_types = ['images, text']", "'images, text' is not "),
    Bad("denied_types = 'Macros'", "denied_types: 'Macros' is not known; did you mean macros?"),
    Bad("denied_types = 'text, other'", "'other' is not a content type such as application/pdf"),
    Bad("denied_types = ['aplication/pdf']", "did you mean application/pdf?"),
    Bad("denied_types = ['application/PDF']", "did you mean application/pdf?"),
    Bad("denied_types = ['text/plain; x=y']", "'text/plain; x=y' is not "),
    Bad("denied_types = ['']", "'' is not a content type"),
    Bad("denied_types = 1", "denied_types: expected a list"),
    # Names
    Bad("denied_extensions = 'e xe'", "'e xe' is not a file-name ending such as exe"),
    Bad("denied_extensions = ['exe', '*']", "'*' is not a file-name ending"),
    Bad("denied_extensions = ['a,b']", "'a,b' is not a file-name ending"),
    Bad("denied_extensions = ['defualt']", "'defualt' is not default, the built-in list", UNSEEN),
    Bad("allowed_extensions = ['default']", "default is a list of what is denied"),
    Bad("allowed_extensions = 'pdf, default'", "default is a list of what is denied"),
    Bad("denied_names = 'a/b'", "which has no slash"),
    Bad("denied_names = ['*.']", "no dot or blank at its end"),
    Bad("denied_names = ''", "'' is not a glob"),
    # The rest
    Bad("max_file_size = '20 megs'", "'20 megs' is not a size such as 512KiB, 20MiB or 2GiB"),
    Bad("max_file_size = 0", "max_file_size: input should be greater than or equal to 1"),
    Bad("max_file_size = '0'", "greater than or equal to 1", UNSEEN),
    Bad("max_file_size = '9999999999TiB'", "less than or equal to", UNSEEN),
    Bad(f"max_file_size = '{'9' * 400}'", "999…' is not a size"),
    Bad("max_file_size = 1.5", "max_file_size: expected a whole number"),
    Bad("max_file_size = true", "max_file_size: expected a whole number"),
    Bad("enforce = 'no'", "enforce: expected true or false"),
    Bad("scan = 1", "scan: expected true or false"),
    Bad("strip_metadata = 'requir'", 'strip_metadata: expected true, false or "require"'),
    Bad("strip_metadata = 1", 'strip_metadata: expected true, false or "require"'),
    Bad("extension_agreement = 'stric'", "did you mean strict?"),
    Bad("extension_agreement = true", "extension_agreement: expected a string"),
    Bad('message = "two\\nlines"', "message of one line"),
    Bad("message = ' '", "message of one line"),
    Bad("quotas = 'user 1GiB/dya'", "'user 1GiB/dya' is not a quota such as"),
    Bad("quotas = ['user 1GiB/day', 'user 2GiB/day']", "a second quota for the same", UNSEEN),
    Bad("quotas = 'user 0 files/day'", "a quota's limit is at least 1", UNSEEN),
    Bad("quotas = ['user 1GiB/day', 5]", "quotas: expected a string"),
    Bad("quotas = true", "quotas: expected a list"),
    Bad("archives = false", "archives: leave it out instead"),
    Bad("archives = 'yes'", "archives: expected a table"),
    Bad("archives.max_entries = 0", "archives.max_entries: input should be greater than or equal"),
    Bad("archives.max_seconds = inf", "archives.max_seconds: input should be"),
    Bad("archives.max_seconds = 601", "archives.max_seconds: input should be less than or equal"),
    Bad("archives.max_unpacked_size = '1XB'", "'1XB' is not a size"),
    Bad("[rule.archives]\nencrypted = 'alow'", "archives.encrypted: 'alow' is not known; did you"),
    Bad("[rule.images]\nmax_pixels = '4MP'", "images.max_pixels: expected a whole number"),
    Bad("images = false", "images: leave it out instead"),
    # Other rules
    Bad("[[rule]]", "name: it is missing"),
    Bad("[[rule]]\nname = 1", "name: expected a string"),
    Bad("[[rule]]\nname = 'a b'", "'a b' is not a name of letters, digits, - and _"),
    Bad("[[rule]]\nname = 'default'", "default and none have a meaning of their own"),
    Bad("[[rule]]\nname = ''", "'' is not a name"),
    Bad(f"[[rule]]\nname = '{'x' * 65}'", "64 at most"),
    Bad("enforce = false\n[[rule]]\nname = 'a'", "the rule in line 2 is called a, too", UNSEEN),
    Bad("enforce = false\n[[rule]]\nname = 'A'", "the rule in line 2 is called a, too", UNSEEN),
    Bad("when = { identity = 'stranger', user = 'bob' }", "of a stranger it is not known", UNSEEN),
    Bad("when = { identity = 'server', role = 'user' }", "has neither a role nor", UNSEEN),
    Bad("when = { identity = ['stranger', 'server'], team = 'x' }", "nor a channel", UNSEEN),
    Bad("when = { endpoint = 'license', channel = 'x' }", "files for license are for", UNSEEN),
    Bad("when = { endpoint = 'team_image', channel = 'x' }", "are for no channel", UNSEEN),
    Bad("when = { endpoint = ['unlisted', 'emoji'], team = 'x' }", "are for no team", UNSEEN),
    Bad("enforce = false\nquotas = 'user 1GiB/day'", "a rule that only watches takes", UNSEEN),
    Bad("when.endpoint = 'license'\nquotas = 'user 1GiB/day'", "license take from none", UNSEEN),
    Bad("when.identity = 'stranger'\nquotas = 'everyone 1GiB/day'", "takes from none", UNSEEN),
    Bad("when.endpoint = 'emoji'\nquotas = 'channel 1GiB/day'", "are for no channel", UNSEEN),
    Bad("when.endpoint = 'emoji'\nquotas = 'team_admin 1GiB/day'", "are for no team", UNSEEN),
    Bad("when.identity = 'session'\nquotas = 'key 1GiB/day'", "has a key", UNSEEN),
    Bad("when.role = ['guest', 'user']\nquotas = 'bot 1GiB/day'", "is no bot", UNSEEN),
    # Syntax
    Bad("a", "expected '=' after a key"),
    Bad("scan = ture", "this is not TOML: invalid value"),
    Bad('message = "x', "illegal character '\\n'"),
]  # fmt: skip
