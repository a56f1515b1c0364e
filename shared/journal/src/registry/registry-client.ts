import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '@millrace/errors/millrace-error.js';
import { AbortScope } from '@millrace/flow/abort.js';
import { z } from 'zod';
import { type OnRetry, OUTAGE_AFTER_MS, retryPauseMs } from '../kafka/kafka-client.js';
import { httpRequest } from './http-request.js';
import type { RegistrySettings } from './registry-settings.js';

const REQUEST_TIMEOUT_MS = 10_000;
/** How long one request is tried again before its caller is told. */
const DEFAULT_PATIENCE_MS = 30_000;
/** Confluent's error codes (Schema Registry API reference, "Errors"). */
const SUBJECT_NOT_FOUND = 40401;
const SCHEMA_NOT_FOUND = 40403;
const READ_ONLY_CODES = new Set([42205, 42206]);

const errorBody = z.object({ error_code: z.number().optional(), message: z.string().optional() });
const registered = z.object({ id: z.int().positive() });
const schemaById = z.object({ schema: z.string() });

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** The five calls of Confluent's REST interface that Millrace needs, each tried again for a bounded time. */
export class RegistryClient {
  readonly url: string;
  readonly #authorization: string | undefined;
  readonly #patienceMs: number;
  readonly #onRetry: OnRetry;

  constructor({ url, login }: RegistrySettings, patienceMs = DEFAULT_PATIENCE_MS, onRetry: OnRetry = () => undefined) {
    this.url = url.replace(/\/+$/, '');
    this.#patienceMs = patienceMs;
    this.#onRetry = onRetry;
    this.#authorization =
      login === null ? undefined : `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}`;
  }

  /**
   * Registers a schema and resolves with its id; one that is there already keeps its id. A subject that insists on compatibility is
   * told not to: Millrace's schemas follow the source's tables, whatever is done to them.
   * @throws MillraceError REGISTRY_READ_ONLY, REGISTRY_DENIED, REGISTRY_REFUSED, REGISTRY_UNREACHABLE
   */
  async register(subject: string, schema: string, signal?: AbortSignal): Promise<number> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions`;
    const post = (): Promise<Reply> =>
      this.#request({ method: 'POST', path, body: { schema }, what: `registering ${subject}` }, signal);
    let reply = await post();
    if (reply.status === 409) {
      const config = {
        method: 'PUT',
        path: `/config/${encodeURIComponent(subject)}`,
        body: { compatibility: 'NONE' },
        what: `setting the compatibility of ${subject}`,
      };
      this.#expectOk(await this.#request(config, signal), config.what, subject);
      reply = await post();
    }
    this.#expectOk(reply, `registering ${subject}`, subject);
    return this.#idOf(reply, `registering ${subject}`);
  }

  /** The id under which the subject has this schema; null where it has not. Writes nothing. */
  async find(subject: string, schema: string, signal?: AbortSignal): Promise<number | null> {
    const what = `looking ${subject} up`;
    const path = `/subjects/${encodeURIComponent(subject)}`;
    const reply = await this.#request({ method: 'POST', path, body: { schema }, what }, signal);
    const code = errorBody.safeParse(reply.body).data?.error_code;
    if (reply.status === 404 && (code === SUBJECT_NOT_FOUND || code === SCHEMA_NOT_FOUND)) return null;
    this.#expectOk(reply, what, subject);
    return this.#idOf(reply, what);
  }

  /** The schema's text; null where the registry knows no such id. */
  async schema(id: number, signal?: AbortSignal): Promise<string | null> {
    const what = `reading schema ${id}`;
    const reply = await this.#request({ method: 'GET', path: `/schemas/ids/${id}`, what }, signal);
    if (reply.status === 404) {
      // A wrong path is a 404 too; only the registry's own answer says that it lacks the schema.
      if (errorBody.safeParse(reply.body).data?.error_code === SCHEMA_NOT_FOUND) return null;
      throw this.#refused(what, reply.status, 'there is no registry at this path');
    }
    this.#expectOk(reply, what, `schema ${id}`);
    const parsed = schemaById.safeParse(reply.body);
    if (!parsed.success) throw this.#refused(what, reply.status, 'the answer holds no schema');
    return parsed.data.schema;
  }

  async subjects(signal?: AbortSignal): Promise<readonly string[]> {
    const reply = await this.#request({ method: 'GET', path: '/subjects', what: 'listing subjects' }, signal);
    this.#expectOk(reply, 'listing subjects', 'subjects');
    const parsed = z.array(z.string()).safeParse(reply.body);
    if (!parsed.success) throw this.#refused('listing subjects', reply.status, 'the answer is not a list of names');
    return parsed.data;
  }

  /** Deletes every version of the subject; one that is not there is as good. */
  async deleteSubject(subject: string, signal?: AbortSignal): Promise<void> {
    const what = `deleting ${subject}`;
    const reply = await this.#request({ method: 'DELETE', path: `/subjects/${encodeURIComponent(subject)}`, what }, signal);
    if (reply.status !== 404) this.#expectOk(reply, what, subject);
  }

  async #request(
    request: { readonly method: string; readonly path: string; readonly body?: unknown; readonly what: string },
    signal?: AbortSignal,
  ): Promise<Reply> {
    const begun = performance.now();
    for (let tries = 0; ; tries++) {
      signal?.throwIfAborted();
      const outcome = await this.#requestOnce(request, signal);
      if ('reply' in outcome) return outcome.reply;
      signal?.throwIfAborted();
      const pause = retryPauseMs(tries);
      const forMs = performance.now() - begun;
      const unreachable = (afterMs: number): MillraceError => {
        const details = { url: this.url, what: request.what, seconds: Math.round(afterMs / 1000), reason: outcome.reason };
        return new MillraceError('REGISTRY_UNREACHABLE', details, { cause: outcome.cause });
      };
      if (forMs + pause > this.#patienceMs) throw unreachable(this.#patienceMs);
      if (forMs > OUTAGE_AFTER_MS) this.#onRetry(unreachable(forMs), pause);
      await sleep(pause, undefined, signal === undefined ? {} : { signal });
    }
  }

  async #requestOnce(
    { method, path, body }: { readonly method: string; readonly path: string; readonly body?: unknown },
    signal?: AbortSignal,
  ): Promise<{ readonly reply: Reply } | { readonly reason: string; readonly cause: unknown }> {
    using request = new AbortScope(signal);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      request.abort();
    }, REQUEST_TIMEOUT_MS);
    try {
      const { status, text } = await httpRequest(new URL(`${this.url}${path}`), {
        method,
        headers: {
          accept: 'application/vnd.schemaregistry.v1+json, application/json',
          'content-type': 'application/vnd.schemaregistry.v1+json',
          ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: request.signal,
      });
      if (status >= 500 || status === 429 || status === 408) return { reason: `HTTP ${status}`, cause: text };
      return { reply: { status, body: parsedJson(text) } };
    } catch (cause) {
      return { reason: late ? `no answer within ${REQUEST_TIMEOUT_MS / 1000} s` : networkReason(cause), cause };
    } finally {
      clearTimeout(timer);
    }
  }

  #expectOk({ status, body }: Reply, what: string, subject: string): void {
    if (status >= 200 && status < 300) return;
    const error = errorBody.safeParse(body).data;
    if (error?.error_code !== undefined && READ_ONLY_CODES.has(error.error_code))
      throw new MillraceError('REGISTRY_READ_ONLY', { url: this.url, subject });
    if (/read[- ]?only/i.test(error?.message ?? '')) throw new MillraceError('REGISTRY_READ_ONLY', { url: this.url, subject });
    if (status === 401) throw new MillraceError('REGISTRY_DENIED', { url: this.url, status });
    if (status === 403) throw new MillraceError('REGISTRY_READ_ONLY', { url: this.url, subject });
    throw this.#refused(what, status, error?.message ?? 'no reason given');
  }

  #idOf({ status, body }: Reply, what: string): number {
    const parsed = registered.safeParse(body);
    if (!parsed.success) throw this.#refused(what, status, 'the answer holds no id');
    return parsed.data.id;
  }

  #refused(what: string, status: number, reason: string): MillraceError {
    return new MillraceError('REGISTRY_REFUSED', { url: this.url, what, status, reason });
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Where every address of a name refuses, Node's error has no message of its own, only a code. */
function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === '' && 'code' in error ? String(error.code) : error.message;
}
