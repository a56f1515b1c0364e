import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { z } from 'zod';
import { avroNameOf } from './avro-name.js';
import { fingerprintOf } from './fingerprint.js';
import { tableSchemaShape } from './table-schema-shape.js';
import { wireTypeOf } from './wire-type.js';

const UNCHANGED_NAME = 'millrace.Unchanged';

/**
 * The Avro schema of a table version's row images: a record with one field per column, each a union of null, the value and the
 * empty record `millrace.Unchanged` (the log did not carry the value). Names are mangled without loss; each field's `column`
 * is the real one, and the record's `millrace` holds the whole TableSchema.
 */
export function rowSchemaJson(schema: TableSchema): string {
  const namespace = schema.id.schema === '' ? 'millrace.rows' : `millrace.rows.${avroNameOf(schema.id.schema)}`;
  return JSON.stringify({
    type: 'record',
    name: avroNameOf(schema.id.table),
    namespace,
    millrace: schema,
    fields: schema.columns.map((column, index) => ({
      name: avroNameOf(column.name),
      column: column.name,
      // A name is defined where it is used first and referred to afterwards (Avro specification, "Names").
      type: [
        'null',
        wireTypeOf(column.type),
        index === 0 ? { type: 'record', name: UNCHANGED_NAME, fields: [] } : UNCHANGED_NAME,
      ],
    })),
  });
}

const rowSchemaShape = z.object({ type: z.literal('record'), name: z.string(), millrace: tableSchemaShape });

/**
 * The table version that a row schema was made of.
 * @throws MillraceError SCHEMA_UNREADABLE where the text is not a row schema of this version of Millrace.
 */
export function tableSchemaOf(json: string): TableSchema {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw new MillraceError('SCHEMA_UNREADABLE', { where: 'a table', what: 'it is not JSON' }, { cause });
  }
  const checked = rowSchemaShape.safeParse(parsed);
  if (!checked.success) {
    throw new MillraceError(
      'SCHEMA_UNREADABLE',
      { where: 'a table', what: z.prettifyError(checked.error) },
      { cause: checked.error },
    );
  }
  return checked.data.millrace;
}

/**
 * What a block's `tables` entry stands for, from the schema text that the registry holds under its id.
 * @throws MillraceError SCHEMA_UNREADABLE also where the schema is another than the one the block was written with.
 */
export function tableVersionOf(registryId: number, fingerprint: string, json: string): TableVersion {
  const schema = tableSchemaOf(json);
  const found = fingerprintOf(schema);
  if (found !== fingerprint) {
    const where = `id ${registryId} (${schema.id.schema}.${schema.id.table})`;
    throw new MillraceError('SCHEMA_UNREADABLE', { where, what: `its fingerprint is ${found}, the journal says ${fingerprint}` });
  }
  return { source: schema.id, schema, registryId, fingerprint };
}

/** A version just registered. */
export function newTableVersion(schema: TableSchema, registryId: number): TableVersion {
  return { source: schema.id, schema, registryId, fingerprint: fingerprintOf(schema) };
}
