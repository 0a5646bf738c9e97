-- Return which rights the dashboards' role has and lacks. The role exists.
SELECT has_database_privilege('duckwatch_reader', current_database(), 'CONNECT'),
       has_schema_privilege('duckwatch_reader', current_schema(), 'USAGE'),
       has_database_privilege('duckwatch_reader', current_database(), 'TEMPORARY')
           OR has_schema_privilege('duckwatch_reader', current_schema(), 'CREATE'),
       pg_has_role('duckwatch_reader', 'USAGE')
           OR (pg_has_role('pg_signal_backend', 'USAGE') AND pg_has_role('pg_read_all_stats', 'USAGE')),
       ARRAY(
           SELECT relation FROM unnest(%s::text[]) AS relation
           WHERE to_regclass(relation) IS NOT NULL
             AND NOT has_table_privilege('duckwatch_reader', to_regclass(relation), 'SELECT')
       )
