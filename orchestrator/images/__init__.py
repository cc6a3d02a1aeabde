"""Base images: the catalogue of their versions, taking in strangers' images, and building our own.

``catalogue`` is what the daemon uses; ``build`` is for the command line and for setting up a machine.
"""
