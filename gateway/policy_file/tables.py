"""The tables of the file and their keys, as an administrator writes them.

The JSON schema is made of these, so each description is for whoever reads it in an editor.
"""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from gateway.policy.agreement import Agreement
from gateway.policy.circumstances import IdentityKind, Role
from gateway.policy.rules import ArchiveRules, ImageRules, Metadata, Unseen
from gateway.policy_file import written
from gateway.policy_file.forms import OrOne, Word, or_separated
from gateway.policy_file.written import OR_SIZE, OR_TRUE

_LARGEST = 2**63 - 1
_ARCHIVES, _IMAGES = ArchiveRules(), ImageRules()

Size = Annotated[int, Field(ge=1, le=_LARGEST), OR_SIZE]
Count = Annotated[int, Field(ge=1, le=_LARGEST)]
Seconds = Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]
DenyOrAllow = Annotated[str, Word(Unseen)]
Types = Annotated[list[Annotated[str, written.TYPE]], or_separated(written.TYPE)]
AllowedEndings = Annotated[
    list[Annotated[str, written.ALLOWED_ENDING]], or_separated(written.ALLOWED_ENDING)
]
DeniedEndings = Annotated[
    list[Annotated[str, written.DENIED_ENDING]], or_separated(written.DENIED_ENDING)
]
Globs = Annotated[list[Annotated[str, written.GLOB]], OrOne()]
Quotas = Annotated[
    list[Annotated[str, written.QUOTA]],
    or_separated(written.QUOTA),
    AfterValidator(written.distinct_quotas),
]
_SOME = OrOne(nonempty=True)


class Table(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class WhenTable(Table):
    """When the rule applies: one of each list has to be met. Without any it always does."""

    model_config = ConfigDict(title="Conditions")

    endpoint: Annotated[list[Annotated[str, written.ENDPOINT]], _SOME] = Field(
        default=[],
        description="Where the file is sent to: names from docs/endpoints.md. Chat attachments are "
        "`files` and `uploads`, what comes for a plugin is `unlisted`.",
    )
    role: Annotated[list[Annotated[str, Word(Role)]], _SOME] = Field(
        default=[],
        description="What the sender is: a guest, a user (who is no guest), a bot, an "
        "administrator of the team that the file is for, or a system administrator.",
    )
    team: Annotated[list[Annotated[str, written.TEAM]], _SOME] = Field(
        default=[], description="The team that the file is for: its id, or its name in the address."
    )
    channel: Annotated[list[Annotated[str, written.CHANNEL]], _SOME] = Field(
        default=[],
        description="The channel that the file is for: its id, or its name in the address, such "
        "as `town-square`.",
    )
    identity: Annotated[list[Annotated[str, Word(IdentityKind)]], _SOME] = Field(
        default=[],
        description="By which means it is known who sends the file: a session (or token) of "
        "Mattermost, the credentials of another server, or not at all (a stranger).",
    )
    user: Annotated[list[Annotated[str, written.USER]], _SOME] = Field(
        default=[], description="The sender: an id, or the name to log in with."
    )


class ArchivesTable(Table):
    """How far archives are looked into. What is in them is judged by the same rule."""

    model_config = ConfigDict(title="Archives")

    max_entries: Count = Field(
        default=_ARCHIVES.max_entries, description="How many entries it has."
    )
    max_unpacked_size: Size = Field(
        default=_ARCHIVES.max_unpacked_size, description="How large all of it is, unpacked."
    )
    max_ratio: Count = Field(
        default=_ARCHIVES.max_ratio, description="How many times larger it is, unpacked."
    )
    max_depth: Count = Field(
        default=_ARCHIVES.max_depth,
        description="How deep archives are in archives; 1 allows none within another.",
    )
    max_seconds: Seconds = Field(
        default=_ARCHIVES.max_seconds, description="How long looking into it may take."
    )
    encrypted: DenyOrAllow = Field(
        default=_ARCHIVES.encrypted, description="What becomes of archives that need a password."
    )
    unreadable: DenyOrAllow = Field(
        default=_ARCHIVES.unreadable,
        description="What becomes of archives that are broken, or that nobody here can read.",
    )


class ImagesTable(Table):
    """How large pictures are once they are decoded, as their heads tell."""

    model_config = ConfigDict(title="Pictures")

    max_pixels: Count = Field(default=_IMAGES.max_pixels, description="Width times height.")
    max_frames: Count = Field(default=_IMAGES.max_frames, description="Pictures in an animation.")


class RuleTable(Table):
    """A rule. The first that applies decides; what it leaves open is as in the settings."""

    model_config = ConfigDict(title="Rule")

    name: Annotated[str, written.RULE_NAME] = Field(
        description="What logs and metrics call it: letters, digits, - and _. Each has its own."
    )
    when: WhenTable = Field(default_factory=WhenTable)
    enforce: bool = Field(
        default=True,
        description="`false` only watches: what it would refuse is reported, and the rules "
        "behind it decide.",
    )
    message: Annotated[str, written.MESSAGE] | None = Field(
        default=None,
        description="A sentence for users, after the one that says why a file was refused.",
    )
    max_file_size: Size | None = Field(
        default=None, description='The largest file, such as `"512KiB"`, `"20MiB"`, or bytes.'
    )
    allowed_types: Types | None = Field(
        default=None,
        description="Content types that may pass: groups such as `images`, types such as "
        "`application/pdf` or `image/*`; a list, or a string with commas.",
    )
    denied_types: Types | None = Field(
        default=None, description="Content types that may not pass, whatever is allowed."
    )
    allowed_extensions: AllowedEndings | None = Field(
        default=None, description="File-name endings of which a name has to have one."
    )
    denied_extensions: DeniedEndings | None = Field(
        default=None,
        description="File-name endings that may not pass; `default` stands for the built-in list.",
    )
    allowed_names: Globs | None = Field(
        default=None,
        description="Globs such as `invoice-*.pdf`, one of which the name has to match.",
    )
    denied_names: Globs | None = Field(
        default=None, description="Globs such as `*password*`, none of which the name may match."
    )
    quotas: Quotas | None = Field(
        default=None,
        description="Quotas that uploads take from, in place of those of the settings: such as "
        '`"user 1GiB/day"` or `"user 4 at once"`; a list, or a string with commas. `[]` is none.',
    )
    extension_agreement: Annotated[str, Word(Agreement)] | None = Field(
        default=None,
        description="How much name, declared type and content have to agree: `strict`, "
        "`dangerous` (a harmless name may not hold what runs or acts), or `off`.",
    )
    scan: bool | None = Field(
        default=None, description="Whether a malware scanner has to find the file clean."
    )
    strip_metadata: (
        Annotated[
            Metadata,
            PlainValidator(written.metadata),
            WithJsonSchema({"enum": [True, False, Metadata.REQUIRE.value]}),
        ]
        | None
    ) = Field(
        default=None,
        description="`true` removes from pictures what they tell beside what they show (place, "
        'camera, comments), where that is possible; `"require"` refuses those where it is not.',
    )
    archives: Annotated[ArchivesTable, OR_TRUE] | None = Field(
        default=None, description="Look into archives; `true` does so with the default limits."
    )
    images: Annotated[ImagesTable, OR_TRUE] | None = Field(
        default=None,
        description="Limit how large pictures are, decoded; `true` has the default limits.",
    )


class Document(Table):
    """The rules of a Mattermost upload gateway, in their order."""

    model_config = ConfigDict(title="Policy file of the Mattermost upload gateway")

    rule: list[RuleTable] = Field(
        min_length=1, description="The rules: the first whose conditions hold decides."
    )


def keys_of(table: type[Table]) -> tuple[str, ...]:
    return tuple(table.model_fields)


TABLES: dict[tuple[str, ...], type[Table]] = {
    (): RuleTable,
    ("when",): WhenTable,
    ("archives",): ArchivesTable,
    ("images",): ImagesTable,
}
"""The tables of a rule, by where they are in it."""
