import type { Client } from 'pg';
import type { RelationMessage } from './pgoutput.js';
import { queryError } from './query-error.js';

/** A type as the catalogue names it: what a column of a relation message was declared as. */
export interface DeclaredType {
  readonly schema: string;
  readonly name: string;
  /** As DDL has it, the modifier included. */
  readonly declaration: string;
}

/**
 * The session beside the stream. Its users take turns: what one reads in a transaction is not mixed with another's queries.
 */
export class CatalogSession {
  readonly #types = new Map<string, DeclaredType | null>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly client: Client) {}

  /** Runs `work` when everybody before it is done. */
  run<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const turn = this.#turn.then(() => work(this.client));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** The types of a message's columns, in order; null for a type that is not there any more. */
  async declaredTypes(message: RelationMessage): Promise<readonly (DeclaredType | null)[]> {
    const missing = message.columns.filter((column) => !this.#types.has(typeKey(column)));
    if (missing.length > 0) await this.run((client) => this.#readTypes(client, missing));
    return message.columns.map((column) => this.#types.get(typeKey(column)) ?? null);
  }

  /** Types may have been renamed or altered: read them again. */
  forgetTypes(): void {
    this.#types.clear();
  }

  async #readTypes(client: Client, columns: readonly TypeReference[]): Promise<void> {
    try {
      const { rows } = await client.query<{
        oid: number;
        modifier: number;
        schema: string | null;
        name: string | null;
        declaration: string;
      }>(
        `SELECT wanted.oid, wanted.modifier, n.nspname AS schema, t.typname AS name, format_type(wanted.oid, wanted.modifier) AS declaration
           FROM unnest($1::oid[], $2::int4[]) wanted(oid, modifier)
           LEFT JOIN pg_type t ON t.oid = wanted.oid
           LEFT JOIN pg_namespace n ON n.oid = t.typnamespace`,
        [columns.map(({ typeOid }) => typeOid), columns.map(({ typeModifier }) => typeModifier)],
      );
      for (const { oid, modifier, schema, name, declaration } of rows) {
        this.#types.set(
          typeKey({ typeOid: oid, typeModifier: modifier }),
          schema === null || name === null ? null : { schema, name, declaration },
        );
      }
    } catch (cause) {
      throw queryError(cause, 'reading the catalogue');
    }
  }
}

interface TypeReference {
  readonly typeOid: number;
  readonly typeModifier: number;
}

function typeKey({ typeOid, typeModifier }: TypeReference): string {
  return `${typeOid}/${typeModifier}`;
}
