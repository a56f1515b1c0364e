import { fileURLToPath } from 'node:url';

/** The checkout's root, seen from `deploy/local/src` and from `deploy/local/dist` alike. */
export const REPOSITORY_ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Everything that the local stack writes: never committed, safe to delete when no server runs. */
export const MILLRACE_DIR = fileURLToPath(new URL('../../../.millrace', import.meta.url));

/** Downloaded server programs, shared by all stacks of this checkout. */
export const LIBRARY_DIR = fileURLToPath(new URL('../../../.millrace/lib', import.meta.url));

/** Plain Node program that ends servers whose starter is gone. */
export const GUARD_PROGRAM = fileURLToPath(new URL('../bin/guard.mjs', import.meta.url));

export const KAFKA_POM = fileURLToPath(new URL('../kafka/pom.xml', import.meta.url));

export const CONNECT_POM = fileURLToPath(new URL('../connect/pom.xml', import.meta.url));
