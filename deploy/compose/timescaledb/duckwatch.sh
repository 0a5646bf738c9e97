#!/bin/sh
# Makes duckwatch's roles and its database when the volume is new (docs/installation.md, "The database").
# The image runs it from /docker-entrypoint-initdb.d. psql reads the passwords itself, so no command line shows them.
set -eu

psql --username "${POSTGRES_USER:-postgres}" --dbname postgres --quiet --set ON_ERROR_STOP=1 <<'SQL'
\set duckwatch `cat /run/secrets/duckwatch_password`
\set reader `cat /run/secrets/duckwatch_reader_password`
CREATE ROLE duckwatch LOGIN PASSWORD :'duckwatch';
CREATE ROLE duckwatch_reader LOGIN PASSWORD :'reader' CONNECTION LIMIT 20;
GRANT duckwatch_reader, pg_read_all_stats TO duckwatch;
CREATE DATABASE duckwatch OWNER duckwatch TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\connect duckwatch
CREATE EXTENSION IF NOT EXISTS timescaledb;
SQL
