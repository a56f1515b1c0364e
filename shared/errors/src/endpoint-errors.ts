import type { ErrorDefinition } from './definition.js';

/** Connecting to either end; `{end}` is source or target. */
export const endpointErrors = {
  ENDPOINT_URL_INVALID: {
    class: 'operator',
    message: 'The {end} URL cannot be read: {part}: {reason}.',
    cause:
      'PostgreSQL URLs are read as libpq reads them: postgresql://user:password@host:port/database?sslmode=…; MySQL and MariaDB have mysql://user:password@host:port/?ssl-mode=… (also mariadb://).',
    remedy: 'Correct it; characters such as @ : / ? # % in a user or password are written percent-encoded.',
  },
  ENDPOINT_UNREACHABLE: {
    class: 'retry',
    message: 'Cannot reach the {end} {where}: {reason}.',
    cause: 'No server answered at this address.',
    remedy:
      'Check host and port, that the server runs and listens there (listen_addresses, bind_address), and firewalls in between.',
  },
  ENDPOINT_STARTING: {
    class: 'retry',
    message: 'The {end} {where} does not take connections yet: {reason}.',
    cause: 'The server is starting up, shutting down or recovering.',
    remedy: "Nothing: it is tried again. If it stays so, look into the server's log.",
  },
  ENDPOINT_CONNECTIONS_EXHAUSTED: {
    class: 'retry',
    message: 'The {end} {where} has no connection left: {reason}.',
    cause: 'max_connections, a limit of the role or database, or max_wal_senders is reached.',
    remedy: 'End idle sessions or raise the limit; Millrace needs a handful of connections and one walsender a task.',
  },
  ENDPOINT_AUTHENTICATION: {
    class: 'operator',
    message: 'The {end} {where} refused the login: {reason}.',
    cause:
      "User or password is wrong, or the server does not let this user in from here (pg_hba.conf, replication included; MySQL: the account's host part).",
    remedy:
      'Check user and password (special characters percent-encoded) and pg_hba.conf (then reload the server) or the account in mysql.user.',
  },
  ENDPOINT_DATABASE_MISSING: {
    class: 'operator',
    message: 'The database of the {end} {where} is not there: {reason}.',
    cause: 'The server has no database of this name; names are case-sensitive.',
    remedy: 'Correct the name behind the last / of the {end} URL; `psql -l` or SHOW DATABASES lists what is there.',
  },
  ENDPOINT_TLS_REFUSED: {
    class: 'operator',
    message: 'No TLS connection to the {end} {where} with sslmode={sslMode}: {reason}.',
    cause: 'The server offers no TLS, or its certificate is not trusted or not made out to this host.',
    remedy: 'Switch TLS on in the server, name its authority with sslrootcert=FILE, or choose the sslmode that you mean.',
  },
  ENDPOINT_TLS_ROOTS_MISSING: {
    class: 'operator',
    message: 'sslmode={mode} needs a file of trusted authorities, and {file} is not there.',
    cause: 'Without an authority no certificate can be verified.',
    remedy: 'Add sslrootcert=FILE to the {end} URL, or sslrootcert=system for the public authorities.',
  },
  ENDPOINT_CONNECT_REFUSED: {
    class: 'operator',
    message: 'The {end} {where} refused the connection: {reason}.',
    cause: 'The server answered with an error instead of a session.',
    remedy: 'Correct what the message names.',
  },
} as const satisfies Record<string, ErrorDefinition>;
