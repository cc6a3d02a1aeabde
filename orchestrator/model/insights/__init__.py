"""Shapes of Microsoft.Insights. Pure."""
