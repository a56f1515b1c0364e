import type { TableSelector } from '@millrace/contract/capture.js';
import type { Finding } from '@millrace/contract/finding.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import type { Client } from 'pg';
import { describeTables } from '../catalog/describe-tables.js';
import { listTables } from '../catalog/list-tables.js';
import { checkForeignPublication } from '../publication.js';
import { queryError } from '../query-error.js';
import { selectTables } from '../selection.js';
import { assessServer, readServerFacts } from './assess-server.js';
import { assessTables } from './assess-tables.js';
import { findingOf } from './finding-of.js';

/**
 * Preflight of a source: reads only, leaves nothing behind. What would make the start fail, or make it silently incomplete, is an
 * 'error'.
 * @param publication one that is there and is used as it is; null: Millrace makes its own
 * @throws MillraceError SOURCE_CONNECTION_LOST, SOURCE_QUERY_FAILED
 */
export async function assessSource(
  client: Client,
  selector: TableSelector,
  publication: string | null,
): Promise<readonly Finding[]> {
  try {
    const facts = await readServerFacts(client);
    if (facts === undefined) throw new MillraceError('SOURCE_PROTOCOL', { what: 'no answer about its role' });
    const server = assessServer(facts, publication === null);
    // An older server's catalogue lacks what the next questions ask for.
    if (server.some((finding) => finding.code === 'SOURCE_VERSION' && finding.severity === 'error')) return server;
    const listed = await listTables(client);
    const tables = await describeTables(client, selectTables(listed, selector));
    const ids = tables.map(({ schema }) => schema.id);
    return [
      ...server,
      ...selector.assess(listed),
      ...(await assessTables({ client, tables, selector, role: facts.role, ownPublication: publication === null })),
      ...(publication === null ? [] : await assessPublication(() => checkForeignPublication(client, publication, ids))),
    ];
  } catch (cause) {
    throw queryError(cause, 'assessing the source');
  }
}

async function assessPublication(check: () => Promise<void>): Promise<readonly Finding[]> {
  try {
    await check();
    return [];
  } catch (cause) {
    if (!(cause instanceof MillraceError) || cause.class === 'retry') throw cause;
    return [findingOf(cause.code, cause.details, { severity: 'error', where: 'source' })];
  }
}
