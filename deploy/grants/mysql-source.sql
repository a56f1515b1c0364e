-- What Millrace's user needs in a MySQL (5.7 to 8.4) or MariaDB (10.5 to 11) source, and no more. Put your names in place of `millrace`
-- (the user), `shop` (the database; repeat its line for each) and the password, then run it as an administrator; again does no harm:
--
--   mysql --user=root --password < mysql-source.sql

CREATE USER IF NOT EXISTS `millrace`@`%` IDENTIFIED BY 'change me';

-- Reading the log, and asking where it ends.
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `millrace`@`%`;

-- Reading the rows, and the catalogue of their tables.
GRANT SELECT, SHOW VIEW, LOCK TABLES ON `shop`.* TO `millrace`@`%`;

-- A snapshot's place in the log is read under FLUSH TABLES WITH READ LOCK, for a moment. Without this right (RDS, Aurora) the tables are
-- locked by name (LOCK TABLES above); MariaDB mostly needs neither.
GRANT RELOAD ON *.* TO `millrace`@`%`;

-- MySQL 8: looking for XA transactions that are prepared before the first start.
/*!80000 GRANT XA_RECOVER_ADMIN ON *.* TO `millrace`@`%` */;

-- MariaDB: without it the source's own ALTER TABLE waits for the whole load, and not for one chunk; and whether another replica has
-- Millrace's server id is not known beforehand.
/*M!100502 GRANT BINLOG ADMIN, REPLICATION MASTER ADMIN ON *.* TO `millrace`@`%` */;
