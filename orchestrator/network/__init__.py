"""The front of scale sets: balancers (HAProxy), names (dnsmasq), addresses, and what the machine does for them."""
