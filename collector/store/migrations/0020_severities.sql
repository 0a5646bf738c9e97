-- Renames the severities `page` and `ticket` of DNSBL results to `critical` and `warning`
-- (docs/decisions.md, decision 62).
CREATE FUNCTION rename_severity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.severity := CASE NEW.severity WHEN 'page' THEN 'critical' ELSE 'warning' END;
    RETURN NEW;
END
$$;

-- A collector of an earlier version may run beside this one, or again after a downgrade.
-- A journal may hold its results.
-- The trigger comes before the UPDATE: its lock makes other writers wait until this transaction ends.
-- So no old word is stored in between.
CREATE TRIGGER rename_severity BEFORE INSERT OR UPDATE ON dnsbl_results
FOR EACH ROW WHEN (NEW.severity IN ('page', 'ticket')) EXECUTE FUNCTION rename_severity();

UPDATE dnsbl_results SET severity = CASE severity WHEN 'page' THEN 'critical' ELSE 'warning' END
WHERE severity IN ('page', 'ticket');
