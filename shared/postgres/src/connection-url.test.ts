import { MillraceError } from '@millrace/errors/millrace-error.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { describeConnection, parseConnectionUrl } from './connection-url.js';

function refusal(url: string): string {
  try {
    parseConnectionUrl(url, 'source');
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'ENDPOINT_URL_INVALID') return error.message;
    throw error;
  }
  return 'not refused';
}

test('a full URL is read part by part', () => {
  expect(
    parseConnectionUrl(
      'postgresql://us%40er:p%2Fw%3A%25d@[::1]:5433/my%20db?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=7',
      'source',
    ),
  ).toEqual({
    end: 'source',
    hosts: [{ host: '::1', port: 5433 }],
    user: 'us@er',
    password: 'p/w:%d',
    database: 'my db',
    sslMode: 'verify-full',
    sslRootCert: '/ca.pem',
    sslCert: null,
    sslKey: null,
    sslPassword: null,
    connectTimeoutSeconds: 7,
    options: '',
  });
});

test.each([
  ['postgres://h/d', { hosts: [{ host: 'h', port: 5432 }], sslMode: 'prefer', password: null, database: 'd' }],
  ['postgres://u@/d', { hosts: [{ host: 'localhost', port: 5432 }], user: 'u' }],
  ['postgres://u@h', { database: 'u' }],
  ['postgres://u@%2Fvar%2Frun:6000/d', { hosts: [{ host: '/var/run', port: 6000 }] }],
  ['postgres:///d?host=/tmp&port=6001', { hosts: [{ host: '/tmp', port: 6001 }] }],
  [
    'postgres://u@a:1,b:2,c/d',
    {
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
        { host: 'c', port: 5432 },
      ],
    },
  ],
  ['postgres://u:pa?ss@h/d?dbname=e&user=v&password=w', { user: 'v', password: 'w', database: 'e' }],
  ['postgres://u@h/d?ssl=true', { sslMode: 'require' }],
  ['postgres://u:a+b@h/d', { password: 'a+b' }],
  ['postgres://u@h/d?options=-c%20statement_timeout%3D5&application_name=x&keepalives=1', { options: '-c statement_timeout=5' }],
])('%s is read as libpq reads it', (url, expected) => {
  expect(parseConnectionUrl(url, 'source')).toMatchObject(expected);
});

test.each([
  ['mysql://h/d', 'the scheme'],
  ['host=h dbname=d', 'the scheme'],
  ['postgres://u@h:0/d', 'the port'],
  ['postgres://u@h:70000/d', 'the port'],
  ['postgres://u@h:12x/d', 'the port'],
  ['postgres://u@::1/d', 'the port'],
  ['postgres://u@[::1/d', 'the host'],
  ['postgres://u@h/d?sslmode=maybe', '"maybe" is none of disable, allow, prefer, require, verify-ca, verify-full'],
  ['postgres://u@h/d?sslmod=require', 'the parameter "sslmod": no such parameter'],
  ['postgres://u@h/d?target_session_attrs=standby', 'target_session_attrs'],
  ['postgres://u@h/d?channel_binding=require', 'channel_binding'],
  ['postgres://u@h/d?host=a,b&port=1,2,3', 'the ports: there are 3 for 2 hosts'],
  ['postgres://u@h/100%', 'the database'],
  ['postgres://u@h/%00', 'the database'],
  ['postgres://u@h/%ff', 'UTF-8'],
  ['postgres://u@h/d?connect_timeout=soon', 'connect_timeout'],
])('%s is refused, and the message names the place', (url, place) => {
  expect(refusal(url)).toContain(place);
});

test('no message and no description shows a password', () => {
  const url = 'postgres://u:s%zecret@h/d';
  expect(refusal(url)).toContain('the password');
  expect(refusal(url)).not.toContain('zecret');
  expect(refusal('postgres://u@h/d?password=s%zecret')).not.toContain('zecret');
  expect(describeConnection(parseConnectionUrl('postgres://u:secret@h:1,[::1]:2/d?password=secret', 'source'))).toBe(
    'u@h:1,[::1]:2/d',
  );
});

test('whatever user, password and database are, percent-encoded they come back', () => {
  const text = fc.string({ minLength: 1, unit: 'grapheme' }).filter((each) => !each.includes('\0'));
  fc.assert(
    fc.property(text, text, text, (user, password, database) => {
      const url = `postgresql://${encodeURIComponent(user)}:${encodeURIComponent(password)}@h/${encodeURIComponent(database)}`;
      expect(parseConnectionUrl(url, 'source')).toMatchObject({ user, password, database });
    }),
  );
});
