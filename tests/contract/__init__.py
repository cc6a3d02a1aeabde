"""One suite of the Host port's contract, against the simulated and the libvirt adapter."""
