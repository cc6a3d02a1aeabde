"""The template language of the Resource Manager: parameters, expressions, resources. Pure: no I/O, no clock."""
