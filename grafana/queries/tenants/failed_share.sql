-- The share of bounced recipients among those whose mail has ended, null for fewer than 100 of them.
CASE
    WHEN sum(events) FILTER (WHERE action IN ('delivered', 'bounced')) >= 100
      THEN coalesce(sum(events) FILTER (WHERE action = 'bounced'), 0)::float8
        / sum(events) FILTER (WHERE action IN ('delivered', 'bounced'))::float8
  END
