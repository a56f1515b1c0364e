import { withClient } from '@millrace/local/postgres.js';
import { waitUntil } from '@millrace/local/wait-until.js';
import type { BenchServers } from './servers.js';

/** The publication that every peer reads. */
export const PEER_PUBLICATION = 'bench_peer';
const BASE_SLOT = 'bench_base';
const FREE_DEADLINE_MS = 60_000;

/** Makes the publication over tables of the schema `bench`. */
export async function publishToPeers({ source }: BenchServers, tables: readonly string[]): Promise<void> {
  await withClient(source.url, async (client) => {
    await client.query(`DROP PUBLICATION IF EXISTS ${PEER_PUBLICATION}`);
    await client.query(`CREATE PUBLICATION ${PEER_PUBLICATION} FOR TABLE ${tables.map((table) => `bench.${table}`).join(', ')}`);
  });
}

/** Makes the slot that stands before a backlog, for each peer's run to copy. */
export async function createBaseSlot(servers: BenchServers): Promise<void> {
  await createSlot(servers, BASE_SLOT);
}

export async function dropBaseSlot(servers: BenchServers): Promise<void> {
  await dropSlot(servers, BASE_SLOT);
}

/** Runs `work` with a copy of the base slot, which is dropped afterwards. */
export async function withCopiedSlot<T>(servers: BenchServers, slot: string, work: (slot: string) => Promise<T>): Promise<T> {
  await withClient(servers.source.url, (client) =>
    client.query('SELECT pg_copy_logical_replication_slot($1, $2)', [BASE_SLOT, slot]),
  );
  return withSlot(servers, slot, work);
}

/** Runs `work` with a slot that begins now and is dropped afterwards. */
export async function withNewSlot<T>(servers: BenchServers, slot: string, work: (slot: string) => Promise<T>): Promise<T> {
  await createSlot(servers, slot);
  return withSlot(servers, slot, work);
}

async function withSlot<T>(servers: BenchServers, slot: string, work: (slot: string) => Promise<T>): Promise<T> {
  try {
    return await work(slot);
  } finally {
    await dropSlot(servers, slot);
  }
}

async function createSlot({ source }: BenchServers, slot: string): Promise<void> {
  await withClient(source.url, (client) => client.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]));
}

/** Drops the slot once its reader, which was told to end, has gone. */
async function dropSlot({ source }: BenchServers, slot: string): Promise<void> {
  await withClient(source.url, async (client) => {
    await waitUntil(
      async () => (await client.query('SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active', [slot])).rowCount === 0,
      { what: `slot ${slot} without a reader`, deadlineMs: FREE_DEADLINE_MS },
    );
    await client.query('SELECT pg_drop_replication_slot($1)', [slot]);
  });
}
