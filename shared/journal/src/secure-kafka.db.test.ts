import { sharedServers } from '@millrace/testkit/servers.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openJournal } from './journal.js';
import { JournalWriter } from './journal-writer.js';
import type { KafkaSettings } from './kafka/kafka-settings.js';
import { failure } from './testing/failure.js';
import { neverAborted, newTopic, readUntil } from './testing/journal-fixture.js';
import { sampleTable, wholeBlock } from './testing/sample-blocks.js';
import { type SecureKafka, startSecureKafka, USER } from './testing/secure-kafka.js';

let secure: SecureKafka;
let registry: string;

beforeAll(async () => {
  secure = await startSecureKafka();
  registry = await sharedServers().registry();
});
afterAll(async () => {
  await secure[Symbol.asyncDispose]();
});

function settings(broker: string, rest: Partial<KafkaSettings>): KafkaSettings {
  return { brokers: [broker], tls: null, sasl: null, ...rest };
}

async function writeAndRead(kafka: KafkaSettings): Promise<number> {
  await using journal = await openJournal({
    kafka,
    registry: { url: registry, login: null },
    topic: newTopic(),
    create: true,
    patienceMs: 3_000,
  });
  await using writer = await JournalWriter.claim(journal, neverAborted());
  await writer.send([wholeBlock(await journal.registerTable(sampleTable('orders')), 1)]);
  return (await readUntil(journal, null, ({ length }) => length === 2)).length;
}

test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('a login by %s writes and reads', async (mechanism) => {
  expect(await writeAndRead(settings(secure.login, { sasl: { mechanism, ...USER } }))).toBe(2);
});

test.each(['plain', 'scram-sha-256'] as const)(
  'a wrong password by %s is refused at once, and shown nowhere',
  async (mechanism) => {
    const error = await failure(
      writeAndRead(settings(secure.login, { sasl: { mechanism, username: USER.username, password: 'guess-77' } })),
    );
    expect(error).toMatchObject({
      code: 'KAFKA_AUTHENTICATION_FAILED',
      class: 'operator',
      details: { user: USER.username, mechanism },
    });
    for (let at: unknown = error; at instanceof Error; at = at.cause)
      expect(JSON.stringify(at, Object.getOwnPropertyNames(at))).not.toContain('guess-77');
  },
);

test("TLS with the authority's certificate writes and reads", async () => {
  expect(await writeAndRead(settings(secure.tls, { tls: { ca: secure.certificate, client: null } }))).toBe(2);
});

test('a certificate of an unknown authority is refused as that', async () => {
  expect(await failure(writeAndRead(settings(secure.tls, { tls: { ca: null, client: null } })))).toMatchObject({
    code: 'KAFKA_TLS_FAILED',
    class: 'operator',
  });
});
