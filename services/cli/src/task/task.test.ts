import { expect, test } from 'vitest';
import { registrySettings } from './task.js';

test("the registry's user and password leave its URL, decoded", () => {
  expect(registrySettings('https://us%40er:p%2Fw%3A@registry.example:8081/path/')).toEqual({
    url: 'https://registry.example:8081/path',
    login: { username: 'us@er', password: 'p/w:' },
  });
});

test('a registry without a user has no login', () => {
  expect(registrySettings('http://127.0.0.1:8081')).toEqual({ url: 'http://127.0.0.1:8081', login: null });
});
