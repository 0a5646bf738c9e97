-- The rows of a roll-up that the viewer chose by cluster, provider, zone and sending address.
cluster IN ($cluster)
    AND coalesce(provider, 'none') IN ($provider)
    AND coalesce(zone, 'none') IN ($zone)
    AND coalesce(local_ip, 'unknown') IN ($address)
