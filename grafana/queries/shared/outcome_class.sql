-- The outcome class of a bounce (docs/events.md, section 3), which says how a team acts on it; null for other actions.
CASE
    WHEN action <> 'bounced' THEN NULL
    WHEN bounce_kind = 'hard' THEN 'hard'
    WHEN bounce_kind = 'expired' THEN 'expired'
    WHEN reason IN ('reputation', 'policy', 'authentication', 'content', 'rate_limited', 'greylisted') THEN 'block'
    WHEN reason = 'other' THEN 'other'
    ELSE 'soft'
  END
