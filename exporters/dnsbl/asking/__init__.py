"""The DNS client: builds queries, matches and reads answers, retries, fails over to other resolvers, uses TCP."""

from exporters.dnsbl.asking.finding import ResolverNames
from exporters.dnsbl.asking.resolver import Resolver

__all__ = ["Resolver", "ResolverNames"]
