"""Microsoft.Resources: tenants, subscriptions, groups, tags, resources of any type, providers."""
