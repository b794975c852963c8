"""A chunk of an upload session's file, and what is asked about that file."""

from typing import NamedTuple

from gateway.policy.judge import judge_content, judge_declaration, unkept_promise
from gateway.policy.ruleset import Decision
from gateway.refusals import Refusal, Refused, chunk_too_long, first_chunk_too_small
from gateway.upload.facts import Facts
from gateway.upload.judging import Question
from gateway.upload.record import SessionRecord
from gateway.upload.request import Caller, Source
from gateway.values import UploadSession

LEAST_FIRST_CHUNK = 5 * 1024 * 1024
"""Bytes of a first chunk that is not the whole file; Mattermost throws smaller ones away."""


class Chunk(NamedTuple):
    """A piece of a file on its way in."""

    source: Source
    size: int | None
    """Bytes, where the request tells exactly."""


class Turn(NamedTuple):
    """A request's turn at a session."""

    caller: Caller
    session: UploadSession
    """As Mattermost has it."""
    decision: Decision
    note: str
    """What is on record."""
    record: SessionRecord
    """What the record is going to be."""


def misfit(size: int, session: UploadSession) -> Refusal | None:
    """What Mattermost says to a chunk of ``size`` bytes that does not fit."""
    if size > session.left:
        return chunk_too_long()
    if session.offset == 0 and size < LEAST_FIRST_CHUNK and size != session.size:
        return first_chunk_too_small(LEAST_FIRST_CHUNK)
    return None


def check_size(size: int, session: UploadSession) -> None:
    """Raises Refused for a chunk of ``size`` bytes that does not fit."""
    refusal = misfit(size, session)
    if refusal is not None:
        raise Refused(refusal)


def facts_of(decision: Decision, record: SessionRecord, content_type: str) -> Facts:
    """What is known of the file whose head is of ``content_type``."""
    promised = unkept_promise(decision.policy, record.name, content_type)
    return Facts(record.name, record.size, content_type, promised)


def questions(facts: Facts) -> tuple[Question[[]], Question[[]]]:
    """What is asked about a file whose head is known."""
    name, size, content_type = facts.name, facts.size, facts.content_type
    return (
        lambda policy: judge_declaration(policy, name, size),
        lambda policy: judge_content(policy, name, content_type),
    )
