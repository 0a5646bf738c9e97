-- Return the limits of connections that hold for this session, and how many connections the server has now.
-- A limit is null where there is none: -1 in the catalogue, and any limit but the server's for a superuser. The role is
-- the one that has logged in. reserved_connections is new in PostgreSQL 16. Only clients have a user and a database: a
-- role that may not see a backend's type still sees these two.
WITH me AS (SELECT oid, rolname, rolsuper, rolconnlimit FROM pg_roles WHERE rolname = session_user),
     server AS (
         SELECT current_setting('max_connections')::int AS most,
                current_setting('superuser_reserved_connections')::int AS for_superusers,
                coalesce(current_setting('reserved_connections', true)::int, 0) AS for_the_entitled
     ),
     clients AS (
         SELECT usesysid, datid FROM pg_stat_activity
         WHERE usesysid IS NOT NULL AND datid IS NOT NULL AND pid <> pg_backend_pid()
           AND coalesce(backend_type, 'client backend') = 'client backend'
     )
SELECT me.rolname,
       CASE
           WHEN me.rolsuper THEN most
           WHEN (SELECT pg_has_role(me.oid, oid, 'USAGE') FROM pg_roles WHERE rolname = 'pg_use_reserved_connections')
               THEN most - for_superusers
           ELSE most - for_superusers - for_the_entitled
       END AS server,
       CASE WHEN NOT me.rolsuper THEN nullif(db.datconnlimit, -1) END AS database,
       CASE WHEN NOT me.rolsuper THEN nullif(me.rolconnlimit, -1) END AS role,
       reader.oid IS NOT NULL AS has_reader,
       nullif(reader.rolconnlimit, -1) AS reader,
       count(clients) FILTER (WHERE usesysid = me.oid) AS ours,
       count(clients) FILTER (WHERE usesysid <> me.oid AND usesysid IS DISTINCT FROM reader.oid) AS others,
       count(clients) FILTER (
           WHERE usesysid <> me.oid AND usesysid IS DISTINCT FROM reader.oid AND datid = db.oid
       ) AS others_here
FROM me CROSS JOIN server
JOIN pg_database AS db ON db.datname = current_database()
LEFT JOIN pg_roles AS reader ON reader.rolname = %(reader)s
LEFT JOIN clients ON true
GROUP BY me.oid, me.rolname, me.rolsuper, me.rolconnlimit, most, for_superusers, for_the_entitled, db.oid,
         db.datconnlimit, reader.oid, reader.rolconnlimit
