"""The demo: a guided tour of the gateway in front of a stand-in Mattermost."""

from gateway.demo.tour import tour

__all__ = ["tour"]
