import { MillraceError } from '@millrace/errors/millrace-error.js';
import { journalOffset, type ParsedBlock, parseBlock } from './block-reader.js';
import { registryIdOf } from './framing.js';
import { decodeTakeover, type Takeover } from './takeover.js';

/** A record of the journal topic; a block's table versions are still to be resolved. */
export type JournalRecord = ({ readonly kind: 'takeover'; readonly offset: bigint } & Takeover) | ParsedBlock;

/** Registry ids of the journal's schemas (block-schema.ts). */
export interface JournalSchemaIds {
  readonly takeover: number;
  readonly block: number;
  /** Of blocks in format 1; null: the registry has no such schema for this topic, so there are none. */
  readonly block1: number | null;
}

/**
 * Reads one record of the journal topic, eagerly up to a block's header. `where` is its place for messages.
 * @throws MillraceError RECORD_FOREIGN for a record of any other schema, JOURNAL_CORRUPT, RECORD_TOO_LARGE
 */
export function decodeRecord(
  framed: Uint8Array,
  offset: bigint,
  ids: JournalSchemaIds,
  where = journalOffset(offset),
): JournalRecord {
  const id = registryIdOf(framed, where);
  if (id === ids.block) return parseBlock(framed, offset, 2, where);
  if (id === ids.block1) return parseBlock(framed, offset, 1, where);
  if (id === ids.takeover) return { kind: 'takeover', offset, ...decodeTakeover(framed, where) };
  throw new MillraceError('RECORD_FOREIGN', { where, what: `its schema has the registry id ${id}` });
}
