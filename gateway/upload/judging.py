"""What the policies say about a file, and what becomes of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Concatenate, ParamSpec

from gateway.phrases import phrase
from gateway.policy.rules import DEFAULT_RULE, Policy
from gateway.policy.ruleset import Decision
from gateway.refusals import Refusal, Refused
from gateway.upload.facts import Facts

P = ParamSpec("P")
Question = Callable[Concatenate[Policy, P], Refusal | None]


class Judge:
    """Puts questions about one file to all policies that have a say in it."""

    __slots__ = ("decision", "facts")

    def __init__(self, decision: Decision, facts: Facts) -> None:
        self.decision = decision
        self.facts = facts
        name = decision.policy.name
        facts.rule = None if name == DEFAULT_RULE else name

    def ask(self, question: Question[P], *args: P.args, **kwargs: P.kwargs) -> None:
        """Raises Refused if the policy that holds says no; what others say is noted.

        ``question`` gets a policy, and the arguments after it.
        """
        if self.decision.watched:
            self.watch(question, *args, **kwargs)
        policy = self.decision.policy
        refusal = question(policy, *args, **kwargs)
        if refusal is not None:
            raise Refused(self.worded(refusal))
        if policy.also is not None:
            refusal = question(policy.also, *args, **kwargs)
            if refusal is not None:
                self.facts.rule = policy.also.name
                raise Refused(refusal)

    def watch(self, question: Question[P], *args: P.args, **kwargs: P.kwargs) -> None:
        """Note what the watched policies say, each of them once, as it would have refused once."""
        for policy in self.decision.watched:
            refusal = question(policy, *args, **kwargs)
            if refusal is not None:
                self.facts.would_refuse.setdefault(policy.name, refusal.reason)

    def worded(self, refusal: Refusal) -> Refusal:
        """``refusal`` with what the administrator has to say to it."""
        addition = self.decision.policy.message
        if not addition:
            return refusal
        text = phrase("{refusal} {addition}", refusal=refusal.text, addition=addition)
        return replace(refusal, text=text)
