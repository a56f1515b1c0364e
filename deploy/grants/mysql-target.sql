-- What Millrace's user needs in a MySQL (8.0 and later) or MariaDB (10.5 and later) target, RDS and Aurora included, and no more. Run it once
-- per server, as an administrator (RDS, Aurora: as the master user), with the names put in; running it again does no harm:
--
--   sed -e 's/{user}/millrace/' -e 's/{host}/%/' -e 's/{database}/shop/' mysql-target.sql | mysql -h … -u admin -p
--   mysql -h … -u admin -p -e "ALTER USER 'millrace'@'%' IDENTIFIED BY '…'"
--
-- {database} is a database that Millrace writes to; for several, run the last statement for each. A database that is missing is made by
-- Millrace, with the rights given here.
CREATE USER IF NOT EXISTS '{user}'@'{host}';

-- Millrace's own tables: the checkpoint, the state of each table, chunks that are in, dead letters.
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON `millrace`.* TO '{user}'@'{host}';

-- Rows, and following the source: CREATE and ALTER for new tables and schema changes, DROP for TRUNCATE and dropped tables, INDEX for keys,
-- REFERENCES and TRIGGER only to see foreign keys and triggers, of which the assessment warns.
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES, TRIGGER ON `{database}`.* TO '{user}'@'{host}';
