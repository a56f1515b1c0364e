import kafkajs from 'kafkajs';
import { expect, test } from 'vitest';
import { isTransient, kafkaError } from './kafka-error.js';

const ATTEMPT = { what: 'writing', topic: 't', brokers: 'b:1' };
const SASL = { username: 'alice', mechanism: 'plain' };

function protocol(type: string, retriable = false): Error {
  return Object.assign(new Error(`says ${type}`), { name: 'KafkaJSProtocolError', type, code: 1, retriable });
}

function connection(message: string): Error {
  return new kafkajs.KafkaJSConnectionError(message, { broker: 'b:1', code: 'X' });
}

/** As kafkajs hands an error on when it has no retries left. */
function gaveUp(cause: Error): Error {
  return Object.assign(new Error(cause.message, { cause }), { name: 'KafkaJSNumberOfRetriesExceeded', retriable: false });
}

test.each([
  ['a broken connection', connection('Connection error: read ECONNRESET')],
  ['a request without an answer', new kafkajs.KafkaJSRequestTimeoutError('Request Produce timed out')],
  ['a leader that moved', protocol('NOT_LEADER_FOR_PARTITION', true)],
  ['too few replicas', protocol('NOT_ENOUGH_REPLICAS', true)],
  ['a producer that the broker forgot', protocol('OUT_OF_ORDER_SEQUENCE_NUMBER')],
  ['an answer that every broker failed', new TypeError("Cannot read properties of null (reading 'topicMetadata')")],
  ["the same behind kafkajs's own retries", gaveUp(protocol('UNKNOWN_PRODUCER_ID'))],
])('%s is tried again', (_what, error) => {
  expect(isTransient(error)).toBe(true);
});

test.each([
  [
    'a wrong password',
    Object.assign(new Error('SASL PLAIN authentication failed'), { name: 'KafkaJSSASLAuthenticationError', retriable: false }),
    'KAFKA_AUTHENTICATION_FAILED',
  ],
  ['an untrusted certificate', connection('Connection error: self-signed certificate'), 'KAFKA_TLS_FAILED'],
  ['a missing right', protocol('TOPIC_AUTHORIZATION_FAILED'), 'KAFKA_DENIED'],
  ['a missing right behind a wrapper', gaveUp(protocol('CLUSTER_AUTHORIZATION_FAILED')), 'KAFKA_DENIED'],
  ['whatever else Kafka refuses', protocol('INVALID_REPLICATION_FACTOR'), 'KAFKA_REQUEST_FAILED'],
])('%s is an error at once', (_what, error, code) => {
  expect(isTransient(error)).toBe(false);
  expect(kafkaError(error, ATTEMPT, SASL)).toMatchObject({ code, class: 'operator', cause: error });
});

test('a bug of our own is not tried again', () => {
  expect(isTransient(new TypeError('x is not a function'))).toBe(false);
});
