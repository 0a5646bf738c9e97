"""Asking resolvers: queries prepared and disguised, answers matched and read, tries, failover, TCP."""

from exporters.dnsbl.asking.finding import ResolverNames
from exporters.dnsbl.asking.resolver import Resolver

__all__ = ["Resolver", "ResolverNames"]
