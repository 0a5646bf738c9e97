-- How far back a verdict looks: half an hour, or the one hour of the roll-up of a long range
-- (shared/attempt_stats, shared/mail_stats). A minute less, since both ends of the span count.
CASE
      WHEN $__timeTo()::timestamptz - $__timeFrom()::timestamptz > INTERVAL '3 days'
        OR $__timeFrom()::timestamptz <= now() - INTERVAL '80 days'
      THEN INTERVAL '59 minutes'
      ELSE INTERVAL '29 minutes'
    END
