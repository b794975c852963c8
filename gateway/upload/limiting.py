"""What the limits of a sender's credential say to a file, beside the rules in force."""

from dataclasses import replace

from gateway.ledger.quotas import strictest
from gateway.machines.admission import Machine
from gateway.phrases import phrase
from gateway.policy.ruleset import Decision
from gateway.refusals import Refused, credential_limited
from gateway.upload.request import FileTarget, RowTarget


def limited(
    decision: Decision, machine: Machine, endpoint: str, target: FileTarget | RowTarget
) -> Decision:
    """``decision``, as far as ``machine`` may go. Raises Refused where it may not go at all."""
    if endpoint not in machine.limits.endpoints:
        raise Refused(credential_limited(phrase("cannot be used for uploads of this kind")))
    if isinstance(target, FileTarget):
        check_channel(machine, target.channel_id)
    return narrowed(decision, machine)


def check_channel(machine: Machine, channel_id: str) -> None:
    """Raises Refused if ``machine`` is not for that channel."""
    if machine.channels is not None and channel_id not in machine.channels:
        raise Refused(credential_limited(phrase("is not for this channel")))


def narrowed(decision: Decision, machine: Machine) -> Decision:
    """What holds for files of ``machine``: both what decides and what its limits say."""
    limits = machine.limits.policy(machine.label)
    policy = decision.policy
    size = min(policy.max_file_size, limits.max_file_size)
    policy = replace(policy, max_file_size=size, also=limits)
    if machine.limits.quota is not None:
        policy = replace(policy, quotas=strictest([*policy.quotas, machine.limits.quota]))
    return replace(decision, policy=policy)
