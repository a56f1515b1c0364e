import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { oldestJava } from '@millrace/local/java.js';
import { kafkaFolder } from '@millrace/local/kafka.js';
import { runProgram } from '@millrace/local/run-program.js';
import { type KafkaServer, scratchFolder, startKafka } from '@millrace/testkit/servers.js';
import { freePort } from './proxied-kafka.js';

export interface SecureKafka extends AsyncDisposable {
  /** `host:port` of listeners that want a login, TLS, and nothing. */
  readonly login: string;
  readonly tls: string;
  readonly plain: string;
  /** PEM of the brokers' self-signed certificate. */
  readonly certificate: string;
}

export const USER = { username: 'alice', password: 'wonder-42' };
const STORE_PASSWORD = 'storepass';
const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';

/** A broker with a SASL listener (PLAIN, SCRAM), a TLS listener and a plain one. */
export async function startSecureKafka(): Promise<SecureKafka> {
  const dir = await scratchFolder();
  const [port, controller, login, tls] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const { command } = await oldestJava();
  const store = join(dir, 'broker.p12');
  const pem = join(dir, 'broker.pem');
  const keytool = join(dirname(command), 'keytool');
  const certificate = ['-alias', 'broker', '-keystore', store, '-storetype', 'PKCS12', '-storepass', STORE_PASSWORD];
  await runProgram(command === 'java' ? 'keytool' : keytool, [
    '-genkeypair',
    ...certificate,
    '-keyalg',
    'RSA',
    '-dname',
    'CN=localhost',
    '-ext',
    'san=dns:localhost,ip:127.0.0.1',
    '-validity',
    '7',
  ]);
  await runProgram(command === 'java' ? 'keytool' : keytool, ['-exportcert', '-rfc', ...certificate, '-file', pem]);

  const server = await startKafka({
    dir: join(dir, 'kafka'),
    port,
    settings: {
      'controller.quorum.voters': `1@127.0.0.1:${controller}`,
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller},LOGIN://127.0.0.1:${login},TLS://127.0.0.1:${tls}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},LOGIN://127.0.0.1:${login},TLS://127.0.0.1:${tls}`,
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT,TLS:SSL',
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.login.plain.sasl.jaas.config': `${PLAIN} username="admin" password="admin" user_${USER.username}="${USER.password}";`,
      'listener.name.login.scram-sha-256.sasl.jaas.config': SCRAM,
      'listener.name.login.scram-sha-512.sasl.jaas.config': SCRAM,
      'ssl.keystore.location': store,
      'ssl.keystore.password': STORE_PASSWORD,
      'ssl.keystore.type': 'PKCS12',
    },
  });
  await addScramUser(command, server);
  return {
    login: `127.0.0.1:${login}`,
    tls: `127.0.0.1:${tls}`,
    plain: server.brokers,
    certificate: await readFile(pem, 'utf8'),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function addScramUser(java: string, server: KafkaServer): Promise<void> {
  const classPath = join(await kafkaFolder(), '*');
  // The tool refuses two credentials of one user in one call.
  for (const mechanism of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
    const change = [
      '--alter',
      '--add-config',
      `${mechanism}=[password=${USER.password}]`,
      '--entity-type',
      'users',
      '--entity-name',
      USER.username,
    ];
    const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
    await runProgram(java, [
      '-Xmx128m',
      '-XX:+UseSerialGC',
      quiet,
      '-cp',
      classPath,
      'kafka.admin.ConfigCommand',
      '--bootstrap-server',
      server.brokers,
      ...change,
    ]);
  }
}
