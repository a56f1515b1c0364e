-- What Millrace's role needs in a PostgreSQL target (13 to 18, RDS and Aurora included), and no more. Run it once per database, as a superuser
-- (RDS, Aurora: as the master user), with psql; running it again does no harm:
--
--   psql "$ADMIN_URL" -v role=millrace -v schemas=public,sales -f postgres-target.sql
--   psql "$ADMIN_URL" -c '\password millrace'
--
-- Variables
--   role     the login role that the sink connects as (default: millrace)
--   schemas  the schemas that Millrace writes to, comma-separated, exactly as they are written (default: public); those that are missing
--            are made by Millrace, which then owns them
--   owner    the role that owns the tables which are there already. Only an owner may alter, drop or index a table: needed for
--            DROP_AND_CREATE over them and for following the source's schema changes in them
\set ON_ERROR_STOP on
\if :{?role} \else \set role millrace \endif
\if :{?schemas} \else \set schemas public \endif

SELECT format('CREATE ROLE %I LOGIN', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec

-- CREATE on the database: for the schema `millrace`, which holds the checkpoint, and for selected schemas that are missing.
SELECT format('GRANT CONNECT, CREATE, TEMPORARY ON DATABASE %I TO %I', current_database(), :'role') \gexec
SELECT format('GRANT USAGE, CREATE ON SCHEMA %I TO %I', nspname, :'role')
  FROM pg_namespace WHERE nspname = ANY (string_to_array(:'schemas', ',')) \gexec

-- Rows of the tables that are there already. Those that Millrace makes are its own.
SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA %I TO %I', nspname, :'role')
  FROM pg_namespace WHERE nspname = ANY (string_to_array(:'schemas', ',')) \gexec
SELECT format('GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA %I TO %I', nspname, :'role')
  FROM pg_namespace WHERE nspname = ANY (string_to_array(:'schemas', ',')) \gexec

\if :{?owner}
SELECT format('GRANT %I TO %I', :'owner', :'role') \gexec
\endif

-- With `session_replication_role = replica` the target's own triggers and foreign keys leave replicated changes alone. Before PostgreSQL 15
-- only a superuser may set it; there, and without this right, Millrace orders its changes so that foreign keys hold.
SELECT format('GRANT SET ON PARAMETER session_replication_role TO %I', :'role')
 WHERE current_setting('server_version_num')::int >= 150000
   AND EXISTS (SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper) \gexec
