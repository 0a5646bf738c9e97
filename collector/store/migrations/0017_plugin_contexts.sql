-- The ZoneMTA contexts in which a process has the plugin loaded. Null: a plugin that does not say, or a collector that
-- does not ask.
ALTER TABLE plugin_reports ADD COLUMN contexts text[];
