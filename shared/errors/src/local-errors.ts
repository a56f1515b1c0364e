import type { ErrorDefinition } from './definition.js';

/** Errors of the servers that Millrace starts on this machine for the demo, the tests and `make up`. */
export const localErrors = {
  LOCAL_PREREQUISITE_MISSING: {
    class: 'operator',
    message: '{what} is missing.',
    cause: '{needed}',
    remedy: '{remedy}',
  },
  LOCAL_DOWNLOAD_FAILED: {
    class: 'operator',
    message: '{what} could not be downloaded: {reason}',
    cause: 'The local servers are fetched once, from Maven Central and the npm registry, into .millrace/lib.',
    remedy: 'Check that this machine reaches the network (proxies: ~/.m2/settings.xml, ~/.npmrc) and run the same command again.',
  },
  LOCAL_SERVER_NOT_READY: {
    class: 'operator',
    message: '{server} did not answer within {seconds} s on {address}; the last try said: {reason}',
    cause: 'The server was started, but its health check did not succeed in time. The end of its log:\n{log}',
    remedy: 'Read {logFile}. On a very busy machine, run the same command again.',
  },
  LOCAL_SERVER_EXITED: {
    class: 'operator',
    message: '{server} ended while it was starting ({how}).',
    cause: 'The end of its log:\n{log}',
    remedy: 'Read {logFile}, put right what it names, and run the same command again.',
  },
  LOCAL_DATA_VERSION: {
    class: 'operator',
    message: 'The data in {dir} was made by PostgreSQL {madeBy} and cannot be opened by PostgreSQL {wanted}.',
    cause: 'PostgreSQL does not read the files of another major version.',
    remedy: 'Use another folder, or remove {dir} to start with an empty database.',
  },
  LOCAL_POSTGRES_VERSION: {
    class: 'operator',
    message: 'PostgreSQL {major} is neither installed nor to be had from npm.',
    cause: 'The versions that could be started here are {found}.',
    remedy: 'Install PostgreSQL {major} so that its `postgres` and `initdb` are in PATH, or use one of those.',
  },
  LOCAL_ENGINE_UNKNOWN: {
    class: 'operator',
    message: '{variable}={word} names no engine that the local stack has.',
    cause: 'FROM and TO choose the source and the target of `make demo` and `make up`.',
    remedy: 'Use one of {known}.',
  },
  LOCAL_WAIT_EXPIRED: {
    class: 'operator',
    message: 'Waited {seconds} s for {what}; the last try said: {reason}',
    cause: 'The condition did not come true before its deadline.',
    remedy: 'Look at what it waited for; on a very busy machine, run the same command again.',
  },
} as const satisfies Record<string, ErrorDefinition>;
