import { fingerprintOf } from '@millrace/codec/fingerprint.js';
import type { TableSelector } from '@millrace/contract/capture.js';
import { closeSession } from '@millrace/postgres/connect.js';
import { parseConnectionUrl } from '@millrace/postgres/connection-url.js';
import { scratchFolder, startPostgres } from '@millrace/testkit/servers.js';
import { expect, test } from 'vitest';
import { assessSource } from './assess/assess-source.js';
import { describeTables } from './catalog/describe-tables.js';
import { openSecondSnapshot } from './second-snapshot.js';
import { openSession } from './session.js';
import { readIdentity } from './source-identity.js';

const EVERYTHING: TableSelector = {
  select: ({ id }) => ({ selected: id.schema === 'public', explicit: false, loadOrder: 0 }),
  filter: () => null,
  assess: () => [],
};

// The oldest and the newest: their catalogues differ from the one that the other tests run on.
test.each([13, 18])('PostgreSQL %i is assessed, described and read like any other', { timeout: 300_000 }, async (major) => {
  await using server = await startPostgres({ dir: await scratchFolder(), major });
  const connection = parseConnectionUrl(server.url, 'source');
  const client = await openSession(connection, { applicationName: 'millrace:test' });
  await client.query(`
    CREATE TYPE public.mood AS ENUM ('sad', 'fine'); CREATE DOMAIN public.positive AS int NOT NULL CONSTRAINT above CHECK (VALUE > 0);
    CREATE TYPE public.pair AS (a public.mood, b public.positive); CREATE TYPE public.pairs AS RANGE (SUBTYPE = public.pair);
    CREATE TABLE public.keyed (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, m public.mood[], p public.pairs,
      g int GENERATED ALWAYS AS (1) STORED, t text COLLATE "C" NOT NULL);
    INSERT INTO public.keyed (t) SELECT repeat('x', 100) || g FROM generate_series(1, 5000) g;
    CREATE TABLE public.keyless (a int, b text); ALTER TABLE public.keyless REPLICA IDENTITY FULL;
    INSERT INTO public.keyless SELECT g, repeat('y', 100) FROM generate_series(1, 5000) g`);
  await client.query('ANALYZE');
  const findings = await assessSource(client, EVERYTHING, null);
  expect(findings.filter(({ severity }) => severity !== 'info')).toEqual([]);

  const described = await describeTables(client, [
    { schema: 'public', table: 'keyed' },
    { schema: 'public', table: 'keyless' },
  ]);
  expect(described[0]?.schema).toMatchObject({
    primaryKey: ['id'],
    primaryKeyName: 'keyed_pkey',
    columns: [
      { identity: 'always', nullable: false },
      {},
      {},
      { generated: '1' },
      { nullable: false, collation: 'pg_catalog."C"' },
    ],
    types: [
      { kind: 'enum', create: `CREATE TYPE "public"."mood" AS ENUM ('sad', 'fine')` },
      { kind: 'domain', create: `CREATE DOMAIN "public"."positive" AS integer CONSTRAINT "above" CHECK ((VALUE > 0)) NOT NULL` },
      { kind: 'composite' },
      { kind: 'range', create: 'CREATE TYPE "public"."pairs" AS RANGE (SUBTYPE = public.pair)' },
    ],
  });

  const { signal } = new AbortController();
  const chunkSize = { rows: 400, bytes: 1 << 30 };
  const identity = await readIdentity(client);
  await using snapshot = await openSecondSnapshot({ connection, identity, applicationName: 'millrace:test', signal, chunkSize });
  for (const { schema } of described) {
    const version = { source: schema.id, schema, registryId: 1, fingerprint: fingerprintOf(schema) };
    for (const encoding of ['postgresql-copy-text', 'rows'] as const) {
      const table = { schema, filter: null, encoding };
      let rows = 0;
      let chunks = 0;
      for await (const chunk of snapshot.chunks(table, null, signal)) {
        chunks += 1;
        for await (const part of snapshot.read(table, version, chunk, signal)) rows += part.rows;
      }
      // PostgreSQL 13 cannot read a range of pages alone, so there a keyless table is one chunk.
      expect([rows, chunks > 5]).toEqual([5_000, major > 13 || schema.primaryKey.length > 0]);
    }
  }
  await closeSession(client);
});
