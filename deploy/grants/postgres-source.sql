-- What Millrace's role needs in a PostgreSQL source (13 to 18, RDS and Aurora included), and no more. Run it once per database, as a superuser
-- (RDS, Aurora: as the master user), with psql; running it again does no harm:
--
--   psql "$ADMIN_URL" -v role=millrace -v schemas=public,sales -v owner=shop -f postgres-source.sql
--   psql "$ADMIN_URL" -c '\password millrace'
--
-- Variables
--   role         the login role that capture connects as (default: millrace)
--   schemas      the schemas to replicate, comma-separated, exactly as they are written (default: public)
--   owner        way A below: the role that owns the tables
--   publication  way B below: a publication for Millrace to use by its name (MILLRACE_PUBLICATION)
--
-- PostgreSQL lets only a table's owner put it into a publication. So choose one:
--   A. owner=…        Millrace's role becomes a member of the owner. It makes and alters its own publication; a table that appears within the
--                     selection is taken up by itself. Membership brings the owner's other rights with it.
--   B. publication=…  The publication is made here, for the tables of the schemas that have a replica identity, and the role can only
--                     read. Run this file again when tables were added.
\set ON_ERROR_STOP on
\if :{?role} \else \set role millrace \endif
\if :{?schemas} \else \set schemas public \endif

-- A role that may log in and read the log.
SELECT format('CREATE ROLE %I LOGIN', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
-- RDS and Aurora keep the REPLICATION attribute to themselves and give a role in its place.
SELECT CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication')
            THEN format('GRANT rds_replication TO %I', :'role')
            ELSE format('ALTER ROLE %I REPLICATION', :'role') END
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role' AND rolreplication) \gexec

-- Reading: the catalogue is open to everybody, the rows are not.
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role') \gexec
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', schema, :'role') FROM unnest(string_to_array(:'schemas', ',')) AS schema \gexec
SELECT format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', schema, :'role') FROM unnest(string_to_array(:'schemas', ',')) AS schema \gexec
-- `last_value` of sequences, so that the target's go on where the source's stand.
SELECT format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I', schema, :'role') FROM unnest(string_to_array(:'schemas', ',')) AS schema \gexec

\if :{?owner}
-- Way A. A new table of the owner is readable through the membership.
SELECT format('GRANT %I TO %I', :'owner', :'role') \gexec
-- CREATE PUBLICATION asks for CREATE on the database.
SELECT format('GRANT CREATE ON DATABASE %I TO %I', current_database(), :'role') \gexec
\endif

\if :{?publication}
-- Way B. Tables without a usable replica identity stay out: published, their own UPDATEs and DELETEs would fail in the source.
-- Partitions are published as they are (no publish_via_partition_root), which is what Millrace reads.
SELECT format('CREATE PUBLICATION %I', :'publication') WHERE NOT EXISTS (SELECT FROM pg_publication WHERE pubname = :'publication') \gexec
SELECT format('ALTER PUBLICATION %I SET TABLE %s', :'publication', string_agg(format('ONLY %I.%I', n.nspname, c.relname), ', ' ORDER BY n.nspname, c.relname))
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (string_to_array(:'schemas', ','))
   AND c.relkind = 'r' AND c.relpersistence = 'p'
   AND (c.relreplident = 'f'
        OR c.relreplident = 'd' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
        OR c.relreplident = 'i' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident))
HAVING count(*) > 0 \gexec
\endif

\if :{?owner} \elif :{?publication} \else
\warn 'Reading is granted. For changes, run this again with -v owner=… (way A) or -v publication=… (way B): see the head of this file.'
\endif
