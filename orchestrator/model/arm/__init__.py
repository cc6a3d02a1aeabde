"""The Resource Manager's view of a scale set: what is accepted, how it changes, how it is shown. No I/O."""
