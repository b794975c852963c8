"""A stand-in for Mattermost 5.37, for the demo and for the tests.

It behaves as the recorded exchanges and the public source say, odd habits included. Nothing here
imports from the rest of the gateway: where the gateway's readers and Mattermost's could disagree
about a request, two independent readers must be there to disagree.

Known to differ from the real one: answers are never compressed, pictures are neither decoded nor
scaled (previews are grey squares), permissions follow membership and the administrator's role
alone, a client that half-closes its connection gets no answer, and no licence is ever valid.
"""
