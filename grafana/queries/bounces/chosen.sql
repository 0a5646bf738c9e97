-- The rows of a roll-up of mail that the viewer chose by cluster and provider: outbound mail.
cluster IN ($cluster)
    AND coalesce(provider, 'none') IN ($provider)
    AND direction = 'outbound'
