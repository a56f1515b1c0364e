import { MillraceError } from '@millrace/errors/millrace-error.js';

/** What was tried, for the error's text. */
export interface KafkaAttempt {
  readonly what: string;
  readonly topic: string;
  readonly brokers: string;
}

/**
 * Names by which kafkajs says that another try may help: the connection broke, a broker is restarting, the leader moved. Its own
 * `retriable` flag is no guide (it is true for a wrong password's connection and false after its own retries).
 */
const TRANSIENT_NAMES = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
  'KafkaJSLockTimeout',
  'KafkaJSTimeout',
  'KafkaJSInvariantViolation',
]);

/** Protocol errors after which trying again is right although kafkajs does not say so: the broker forgot the producer, or never knew it. */
const TRANSIENT_TYPES = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'DUPLICATE_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'CONCURRENT_TRANSACTIONS',
  'LEADER_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'BROKER_NOT_AVAILABLE',
  'COORDINATOR_NOT_AVAILABLE',
]);

interface KafkaFailure {
  readonly name: string;
  readonly message: string;
  readonly type: string | undefined;
  readonly retriable: boolean;
  readonly original: unknown;
}

const WRAPPERS = new Set(['KafkaJSNumberOfRetriesExceeded', 'KafkaJSNonRetriableError']);

/** Follows the causes down to what happened first: kafkajs wraps it where it does not try again. */
function rootOf(error: unknown): KafkaFailure {
  let at: unknown = error;
  while (at instanceof Error && WRAPPERS.has(at.name) && at.cause instanceof Error) at = at.cause;
  if (!(at instanceof Error)) return { name: 'Error', message: String(at), type: undefined, retriable: false, original: at };
  const type = 'type' in at && typeof at.type === 'string' ? at.type : undefined;
  return { name: at.name, message: at.message, type, retriable: 'retriable' in at && at.retriable === true, original: at };
}

/** Kafka's own word for a protocol error, e.g. `TOPIC_ALREADY_EXISTS`. */
export function protocolErrorType(error: unknown): string | undefined {
  return rootOf(error).type;
}

/** kafkajs swallows what each broker failed with, answers null where all did, and breaks on that answer itself. */
function isLostAnswer(error: unknown): boolean {
  return error instanceof TypeError && /\bnull\b/.test(error.message);
}

export function isTransient(error: unknown): boolean {
  const { name, type, retriable, original } = rootOf(error);
  if (isTlsFailure(original)) return false;
  if (type !== undefined) return retriable || TRANSIENT_TYPES.has(type);
  return TRANSIENT_NAMES.has(name) || isLostAnswer(original);
}

/** The reason in one line; kafkajs's messages end without a stop and name no secret. */
export function reasonOf(error: unknown): string {
  const { message, type } = rootOf(error);
  const line = (message.split('\n')[0] ?? '').replace(/\.$/, '');
  return type === undefined ? line : `${type}: ${line}`;
}

/** The error of the table for a failure that no further try mends. */
export function kafkaError(
  error: unknown,
  attempt: KafkaAttempt,
  sasl: { readonly username: string; readonly mechanism: string } | null,
): MillraceError {
  if (error instanceof MillraceError) return error;
  const { name, type, original } = rootOf(error);
  const { what, topic, brokers } = attempt;
  const reason = reasonOf(error);
  const options = { cause: error };
  if (
    name === 'KafkaJSSASLAuthenticationError' ||
    type === 'SASL_AUTHENTICATION_FAILED' ||
    type === 'UNSUPPORTED_SASL_MECHANISM'
  ) {
    const details = { brokers, user: sasl?.username ?? '(none)', mechanism: sasl?.mechanism ?? 'no login' };
    return new MillraceError('KAFKA_AUTHENTICATION_FAILED', details, options);
  }
  if (isTlsFailure(original)) return new MillraceError('KAFKA_TLS_FAILED', { brokers, reason }, options);
  if (type?.endsWith('_AUTHORIZATION_FAILED') === true) return new MillraceError('KAFKA_DENIED', { what, topic }, options);
  if (name === 'KafkaJSConnectionError') return new MillraceError('KAFKA_UNREACHABLE', { brokers, reason }, options);
  return new MillraceError('KAFKA_REQUEST_FAILED', { what, topic, reason }, options);
}

function isTlsFailure(error: unknown): boolean {
  if (!(error instanceof Error) || !error.name.startsWith('KafkaJSConnection')) return false;
  return /certificate|self.signed|SSL|TLS|wrong version number|unable to verify|altnames/i.test(error.message);
}
