import { fingerprintOf } from '@millrace/codec/fingerprint.js';
import { newTableVersion, rowSchemaJson, tableSchemaOf, tableVersionOf } from '@millrace/codec/row-schema.js';
import type { TableSchema, TableVersion } from '@millrace/contract/table.js';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { inParallel } from './in-parallel.js';
import type { RegistryClient } from './registry-client.js';
import { recordSubject, subjectOf } from './subject.js';

/** Beyond it the oldest versions are forgotten and, where they are met again, read again. */
const MAX_CACHED = 50_000;

/** Table versions of one topic by their registry id: one object per version for as long as it is cached. */
export class Registry {
  readonly #client: RegistryClient;
  readonly #topic: string;
  readonly #byId = new Map<number, TableVersion>();
  readonly #reading = new Map<number, Promise<TableVersion>>();
  readonly #registering = new Map<string, Promise<TableVersion>>();

  constructor(client: RegistryClient, topic: string) {
    this.#client = client;
    this.#topic = topic;
  }

  /** Registers a version, or finds it. Resolves only when the registry has it. */
  async register(schema: TableSchema, signal?: AbortSignal): Promise<TableVersion> {
    const fingerprint = fingerprintOf(schema);
    const known = this.#registering.get(fingerprint);
    if (known !== undefined) return known;
    const registering = this.#register(schema, signal);
    this.#registering.set(fingerprint, registering);
    forgetOldest(this.#registering);
    try {
      return await registering;
    } catch (error) {
      this.#registering.delete(fingerprint);
      throw error;
    }
  }

  /** Several at a time; for a first start with many tables. */
  async registerAll(schemas: readonly TableSchema[], signal?: AbortSignal): Promise<readonly TableVersion[]> {
    return inParallel(schemas, (schema) => this.register(schema, signal));
  }

  /** The id of one of Millrace's own record schemas. */
  async registerRecord(record: string, schema: string, signal?: AbortSignal): Promise<number> {
    return this.#client.register(recordSubject(this.#topic, record), schema, signal);
  }

  /** The id of a record schema of an earlier format; null where this topic never had records of it. */
  async findRecord(record: string, schema: string, signal?: AbortSignal): Promise<number | null> {
    return this.#client.find(recordSubject(this.#topic, record), schema, signal);
  }

  /** The version behind an id, if it was met before. */
  cached(id: number): TableVersion | undefined {
    return this.#byId.get(id);
  }

  /**
   * The version behind an id; with `fingerprint`, only if it is that one.
   * @throws MillraceError REGISTRY_EMPTY where the registry knows no such id, SCHEMA_UNREADABLE
   */
  async version(id: number, fingerprint: string | null, signal?: AbortSignal): Promise<TableVersion> {
    let version = this.#byId.get(id);
    if (version === undefined) {
      const reading = this.#reading.get(id) ?? this.#read(id, signal).finally(() => this.#reading.delete(id));
      this.#reading.set(id, reading);
      version = await reading;
    }
    if (fingerprint !== null && version.fingerprint !== fingerprint) {
      return tableVersionOf(id, fingerprint, rowSchemaJson(version.schema));
    }
    return version;
  }

  async #register(schema: TableSchema, signal?: AbortSignal): Promise<TableVersion> {
    const id = await this.#client.register(subjectOf(this.#topic, schema.id), rowSchemaJson(schema), signal);
    return this.#keep(newTableVersion(schema, id));
  }

  async #read(id: number, signal?: AbortSignal): Promise<TableVersion> {
    const json = await this.#client.schema(id, signal);
    if (json === null) throw new MillraceError('REGISTRY_EMPTY', { url: this.#client.url, id, topic: this.#topic });
    return this.#keep(newTableVersion(tableSchemaOf(json), id));
  }

  /** The first object for an id stays: connectors hang compiled plans on it. */
  #keep(version: TableVersion): TableVersion {
    const known = this.#byId.get(version.registryId);
    if (known !== undefined && known.fingerprint === version.fingerprint) return known;
    this.#byId.set(version.registryId, version);
    forgetOldest(this.#byId);
    return version;
  }
}

function forgetOldest<K>(cache: Map<K, unknown>): void {
  if (cache.size <= MAX_CACHED) return;
  const [oldest] = cache.keys();
  if (oldest !== undefined) cache.delete(oldest);
}
