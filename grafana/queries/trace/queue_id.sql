-- The queue id in what the viewer typed: also of `queue id.recipient number`, as ZoneMTA logs it; null for anything
-- else.
CASE
    WHEN {{trace/asked}} ~ '^[0-9A-Za-z]{6,}(\.[0-9A-Za-z]{3,})?$' THEN lower(split_part({{trace/asked}}, '.', 1))
  END
