import { BlockBuilder } from '@millrace/codec/block-builder.js';
import { startPostgres } from '@millrace/local/postgres.js';
import { fingerprintOf } from '@millrace/codec/fingerprint.js';
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { createPostgresSource } from './connector.js';
const server = await startPostgres({ dir: '/tmp/cs-bench/pg', settings: {} });
const c = new pg.Client(server.url); await c.connect();
await c.query(`drop table if exists t; create table t(id int primary key, a int, b bigint, c text, d numeric(12,2), e timestamptz, f text, g bool, h float8, i text)`);
const selector = { select: () => ({ selected: true, explicit: false, loadOrder: 0 }), filter: () => null, assess: () => [] };
const source = createPostgresSource({ url: server.url, publication: null });
const identity = { task: 'bench', journal: 'j' };
await source.remove(identity);
const at = await source.attach(identity, selector, null); await at.snapshot?.[Symbol.asyncDispose]();
const rowsPer = Number(process.argv[2] ?? 1000), n = Number(process.argv[3] ?? 500);
for (let k = 0; k < n; k++) await c.query(`insert into t select i, i*7, i*100000000000, md5(i::text)||md5(i::text), i*1.25, now(), repeat('x',40), true, i/3.0, 'short' from generate_series(${k * rowsPer + 1}, ${(k + 1) * rowsPer}) i`);
const end = await source.currentPosition();
let builder = new BlockBuilder(); let rows = 0; let inTx = 0; let last = '';
const seal = () => builder.seal({ journal: 'j', epoch: 0n, seq: 0n, prev: 0n, source: end.source, timeline: 1, after: null, slice: null }, 1);
const stop = new AbortController();
const journal = {
  async schema(schema, change) { const v = { source: schema.id, schema, registryId: 1, fingerprint: fingerprintOf(schema) }; builder.schema(v, change); return v; },
  begin: (x) => { inTx = 0; builder.begin(x); }, insert: (t) => { rows++; inTx++; return builder.insert(t); }, update: (t, b) => { rows++; return builder.update(t, b); }, delete: (t) => { rows++; return builder.delete(t); },
  truncate() {}, commit: (p, m) => { builder.commit(p, inTx, m); last = p.key; if (builder.byteLength > 256 * 1024) seal(); if (last >= end.key) stop.abort(); },
  progress: (p) => { last = p.key; if (last >= end.key) stop.abort(); }, ready: () => undefined, flush() {},
};
const known = []; for (const s of await source.describe(selector)) known.push(await journal.schema(s, { kind: 'version' }));
const cpuOf = () => { const r = Number((globalThis as any).pid); return 0; };
const t0 = performance.now(), u0 = process.cpuUsage();
const streaming = source.stream(at.acknowledged, journal as any, { selector, known, signal: stop.signal, needsLoad: () => 'l' });
await new Promise((r) => setTimeout(r, 300));
const pid = (await c.query(`select active_pid from pg_replication_slots where slot_name like 'millrace_bench%'`)).rows[0]?.active_pid;
let ticks = 0; const poll = setInterval(() => { try { const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); ticks = Number(f[11]) + Number(f[12]); } catch {} }, 20);
await streaming; clearInterval(poll);
const ms = performance.now() - t0, u = process.cpuUsage(u0);
console.log({ rows, ms: Math.round(ms), rowsPerSec: Math.round(rows / ms * 1000), cpuUsPerRow: (u.user + u.system) / rows, walsenderUsPerRow: ticks * 10000 / rows, rssMb: process.memoryUsage().rss >> 20 });
await source.remove(identity); await c.end(); await server[Symbol.asyncDispose]();
