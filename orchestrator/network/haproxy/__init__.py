"""The machine's balancer: HAProxy (https://docs.haproxy.org/2.6/), by its configuration and its runtime API."""

from orchestrator.network.haproxy.adapter import HaproxyBalancer

__all__ = ["HaproxyBalancer"]
