import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { rowSchemaJson } from '@millrace/codec/row-schema.js';
import { expect, test } from 'vitest';
import { failure } from '../testing/failure.js';
import { sampleTable } from '../testing/sample-blocks.js';
import { Registry } from './registry.js';
import { RegistryClient } from './registry-client.js';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
}

/** A registry that answers as the test says. */
class ScriptedRegistry implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #server: Server;

  private constructor(answer: (request: Seen, count: number) => { readonly status: number; readonly body: unknown }) {
    this.#server = createServer((request: IncomingMessage, response: ServerResponse) => {
      const seen = { method: request.method ?? '', url: request.url ?? '', authorization: request.headers.authorization };
      this.seen.push(seen);
      const { status, body } = answer(seen, this.seen.length);
      request.resume();
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  }

  static async start(
    answer: (request: Seen, count: number) => { readonly status: number; readonly body: unknown },
  ): Promise<ScriptedRegistry> {
    const registry = new ScriptedRegistry(answer);
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  client(patienceMs = 2_000): RegistryClient {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return new RegistryClient(
      { url: `http://127.0.0.1:${address.port}/`, login: { username: 'me', password: 's3cret' } },
      patienceMs,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

test('#45 a read-only registry is an error before anything is written', async () => {
  await using confluent = await ScriptedRegistry.start(() => ({
    status: 422,
    body: { error_code: 42205, message: 'Subject t-public.orders is in read-only mode' },
  }));
  expect(await failure(new Registry(confluent.client(), 't').register(sampleTable('orders')))).toMatchObject({
    code: 'REGISTRY_READ_ONLY',
    class: 'operator',
  });
  await using denied = await ScriptedRegistry.start(() => ({
    status: 403,
    body: { error_code: 40301, message: 'User is denied operation Write' },
  }));
  expect(await failure(new Registry(denied.client(), 't').register(sampleTable('orders')))).toMatchObject({
    code: 'REGISTRY_READ_ONLY',
  });
});

test('an answer that holds no id is never taken for one', async () => {
  for (const body of ['', 'ok', {}, { id: null }, { id: 0 }, { id: '7' }]) {
    await using odd = await ScriptedRegistry.start(() => ({ status: 200, body }));
    expect(await failure(odd.client().register('s', '{}'))).toMatchObject({ code: 'REGISTRY_REFUSED' });
  }
});

test('a registry that fails for a moment is asked again, and for ever it is an error', async () => {
  await using flaky = await ScriptedRegistry.start((_request, count) =>
    count < 3 ? { status: 503, body: 'busy' } : { status: 200, body: { id: 12 } },
  );
  expect(await flaky.client().register('s', '{}')).toBe(12);
  await using broken = await ScriptedRegistry.start(() => ({ status: 500, body: 'no' }));
  expect(await failure(broken.client(300).register('s', '{}'))).toMatchObject({
    code: 'REGISTRY_UNREACHABLE',
    class: 'retry',
    details: { reason: 'HTTP 500' },
  });
  expect(await failure(new RegistryClient({ url: 'http://127.0.0.1:1', login: null }, 200).register('s', '{}'))).toMatchObject({
    code: 'REGISTRY_UNREACHABLE',
  });
});

test('a subject that insists on compatibility is set to NONE, once it refuses', async () => {
  let none = false;
  await using strict = await ScriptedRegistry.start(({ method, url }) => {
    if (method === 'PUT' && url === '/config/t-public.orders') {
      none = true;
      return { status: 200, body: { compatibility: 'NONE' } };
    }
    return none ? { status: 200, body: { id: 5 } } : { status: 409, body: { error_code: 409, message: 'incompatible' } };
  });
  expect((await new Registry(strict.client(), 't').register(sampleTable('orders'))).registryId).toBe(5);
  expect(strict.seen.map(({ method }) => method)).toEqual(['POST', 'PUT', 'POST']);
});

test('an id that the registry does not know is told apart from a path where no registry is', async () => {
  await using empty = await ScriptedRegistry.start(() => ({
    status: 404,
    body: { error_code: 40403, message: 'Schema not found' },
  }));
  expect(await failure(new Registry(empty.client(), 't').version(9, null))).toMatchObject({
    code: 'REGISTRY_EMPTY',
    details: { id: 9 },
  });
  await using wrongPath = await ScriptedRegistry.start(() => ({ status: 404, body: 'Not found' }));
  expect(await failure(new Registry(wrongPath.client(), 't').version(9, null))).toMatchObject({ code: 'REGISTRY_REFUSED' });
});

test('an earlier record schema is looked up, not registered; a subject or schema that is not there is no error', async () => {
  const find = (registry: ScriptedRegistry) => new Registry(registry.client(), 't').findRecord('Block', '{}');
  await using held = await ScriptedRegistry.start(() => ({
    status: 200,
    body: { subject: 's', id: 7, version: 1, schema: '{}' },
  }));
  expect(await find(held)).toBe(7);
  expect(held.seen).toMatchObject([{ method: 'POST', url: '/subjects/t-millrace.Block' }]);
  for (const error_code of [40401, 40403]) {
    await using empty = await ScriptedRegistry.start(() => ({ status: 404, body: { error_code } }));
    expect(await find(empty)).toBeNull();
  }
  await using wrongPath = await ScriptedRegistry.start(() => ({ status: 404, body: 'Not found' }));
  expect(await failure(find(wrongPath))).toMatchObject({ code: 'REGISTRY_REFUSED' });
});

test('a version is one object, asked for once, however many need it at a time', async () => {
  const schema = sampleTable('orders');
  await using server = await ScriptedRegistry.start(({ method }) => ({
    status: 200,
    body: method === 'POST' ? { id: 3 } : { schema: rowSchemaJson(schema) },
  }));
  const registry = new Registry(server.client(), 't');
  const versions = await Promise.all([
    registry.version(3, null),
    registry.version(3, null),
    registry.register(schema),
    registry.register({ ...schema }),
  ]);
  expect(new Set(versions).size).toBe(1);
  expect(versions[0]).toMatchObject({ source: schema.id, schema, registryId: 3 });
  expect(server.seen).toHaveLength(2);
});

test('a failed registration is tried afresh by the next caller', async () => {
  await using server = await ScriptedRegistry.start((_request, count) =>
    count === 1 ? { status: 401, body: {} } : { status: 200, body: { id: 3 } },
  );
  const registry = new Registry(server.client(), 't');
  expect(await failure(registry.register(sampleTable('orders')))).toMatchObject({ code: 'REGISTRY_DENIED' });
  expect((await registry.register(sampleTable('orders'))).registryId).toBe(3);
});

test('the login goes with every request, and never into an error', async () => {
  await using server = await ScriptedRegistry.start(() => ({ status: 401, body: { message: 'who are you?' } }));
  const error = await failure(server.client().register('s', '{}'));
  expect(server.seen[0]?.authorization).toBe(`Basic ${Buffer.from('me:s3cret').toString('base64')}`);
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('s3cret');
});
