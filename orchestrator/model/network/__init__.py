"""Shapes of Microsoft.Network: virtual networks, public addresses, balancers, security groups, gateways. Pure."""
