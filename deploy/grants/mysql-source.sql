-- What Millrace's user needs in a MySQL (5.7 to 8.4) or MariaDB (10.5 to 11) source, and no more. Put your names in place of `millrace`
-- (the user), `shop` (the database; repeat its line for each) and the password, then run it as an administrator; again does no harm:
--
--   mysql --user=root --password < mysql-source.sql

CREATE USER IF NOT EXISTS `millrace`@`%` IDENTIFIED BY 'change me';

-- Reading the rows, and the catalogue of their tables.
GRANT SELECT, SHOW VIEW, LOCK TABLES ON `shop`.* TO `millrace`@`%`;

-- REPLICATION SLAVE, REPLICATION CLIENT: reading the log, and asking where it ends.
-- RELOAD: a snapshot's place in the log is read under FLUSH TABLES WITH READ LOCK, for a moment. Without it (RDS, Aurora) the tables are
-- locked by name (LOCK TABLES above); MariaDB mostly needs neither.
-- XA_RECOVER_ADMIN, MySQL 8: looking for XA transactions that are prepared before the first start.
-- BINLOG ADMIN, MariaDB: without it the source's own ALTER TABLE waits for the whole load, and not for one chunk.
-- REPLICATION MASTER ADMIN, MariaDB: knowing beforehand that another replica has Millrace's server id.
GRANT REPLICATION SLAVE, REPLICATION CLIENT, RELOAD /*!80000 , XA_RECOVER_ADMIN */ /*M!100502 , BINLOG ADMIN, REPLICATION MASTER ADMIN */
  ON *.* TO `millrace`@`%`;
