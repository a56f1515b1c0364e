import { MillraceError } from '@millrace/errors/millrace-error.js';
import { expect, test } from 'vitest';
import { describeConnection, parseConnectionUrl } from './connection-url.js';

test('a URL in all its parts, percent-encoded', () => {
  const settings = parseConnectionUrl(
    'mysql://us%40er:p%2Fw%3A@[::1]:3307/my%20db?ssl-mode=verify_ca&ssl-ca=/ca.pem&connect-timeout=700',
    'source',
  );
  expect(settings).toMatchObject({
    host: '::1',
    port: 3_307,
    user: 'us@er',
    password: 'p/w:',
    database: 'my db',
    sslMode: 'VERIFY_CA',
    sslCa: '/ca.pem',
    connectTimeoutMs: 700,
  });
  expect(describeConnection(settings)).toBe('us@er@[::1]:3307/my db');
});

test('what is left out', () => {
  expect(parseConnectionUrl('mariadb://root@db.example', 'target')).toMatchObject({
    end: 'target',
    host: 'db.example',
    port: 3_306,
    password: null,
    database: null,
    sslMode: 'PREFERRED',
  });
});

test.each([
  ['postgres://root@h/', 'the scheme'],
  ['mysql://root:s3cret@h:99999/', 'the address'],
  ['mysql://h/', 'the user'],
  ['mysql://root:s3cret@h/?sslmode=require', 'the parameter "sslmode"'],
  ['mysql://root:s3cret@h/?ssl-mode=maybe', 'the parameter "ssl-mode"'],
  ['mysql://root:s3cret%zz@h/', 'the password'],
])('%s names %s and shows no secret', (url, part) => {
  const read = (): unknown => parseConnectionUrl(url, 'source');
  expect(read).toThrow(MillraceError);
  expect(read).toThrow(part);
  expect(read).not.toThrow('s3cret');
});
