import { expect, test } from 'vitest';
import { checkText } from './text-rules.js';

const home = ['', 'home', 'ada', 'notes.txt'].join('/');

test('a lock file that names a registry host is reported, one that leaves the host to npm is not', () => {
  const resolved = '{\n"resolved": "https://registry.example/pg/-/pg-8.tgz"\n}';
  expect(checkText('package-lock.json', resolved, [])).toMatchObject([
    { line: 2, rule: expect.stringContaining('no registry host') },
  ]);
  expect(checkText('package-lock.json', '{ "version": "8.0.0", "integrity": "sha512-x" }', [])).toEqual([]);
});

test("a path of somebody's home or of this checkout is reported with its line", () => {
  expect(checkText('a.md', `see\n${home}`, [])).toMatchObject([{ line: 2, rule: expect.stringContaining('absolute path') }]);
  expect(checkText('a.md', 'cd /opt/checkout/shared', ['/opt/checkout/'])).toHaveLength(1);
  expect(checkText('a.md', 'cd /opt/elsewhere', ['/opt/checkout/'])).toEqual([]);
});
