import type { z } from 'zod';
import { nearestWord, suggest } from './nearest-word.js';

/** What zod found, in our words: the place within the rule, the offending word, the nearest right one. */
export function describeIssue(
  issue: z.core.$ZodIssue,
  input: unknown,
  shape: z.ZodType,
): { readonly path: string; readonly problem: string } {
  const path = formatPath(issue.path);
  const value = valueAt(input, issue.path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const [key = ''] = issue.keys;
      const known = keysAt(shape, issue.path);
      return { path: path === 'rule' ? `"${key}"` : `${path}."${key}"`, problem: `is not known here: ${suggest(key, known)}` };
    }
    case 'invalid_value': {
      const right = issue.values.map(String);
      if (value === undefined) return { path, problem: `is missing: ${suggest('', right)}` };
      return { path, problem: `${show(value)} is not known: ${suggest(String(value), right)}` };
    }
    case 'invalid_type':
      return {
        path,
        problem: value === undefined ? `is missing${misspelt(input, issue.path)}` : `${show(value)} is not ${issue.expected}`,
      };
    case 'invalid_union':
      return {
        path,
        problem: value === undefined ? `is missing${misspelt(input, issue.path)}` : `${show(value)} ${unionReason(issue)}`,
      };
    default:
      return { path, problem: value === undefined || value === '' ? issue.message : `${show(value)} ${issue.message}` };
  }
}

/** A key that is missing is often there under a misspelt name. */
function misspelt(input: unknown, path: readonly PropertyKey[]): string {
  const parent = valueAt(input, path.slice(0, -1));
  const key = String(path.at(-1));
  if (typeof parent !== 'object' || parent === null) return '';
  const near = nearestWord(key, Object.keys(parent));
  return near === undefined ? '' : ` ("${near}" is there)`;
}

function unionReason(issue: z.core.$ZodIssueInvalidUnion): string {
  const messages = issue.errors.flat().filter((one) => one.code !== 'invalid_type');
  return messages[0]?.message ?? 'is of the wrong type';
}

export function formatPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'rule';
  return path.map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`)).join('');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

function keysAt(shape: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let current: unknown = shape;
  for (const key of path) {
    current = unwrap(current);
    current = typeof key === 'number' ? property(current, 'element') : property(property(current, 'shape'), key);
  }
  const fields = property(unwrap(current), 'shape');
  return typeof fields === 'object' && fields !== null ? Object.keys(fields) : [];
}

function unwrap(shape: unknown): unknown {
  const inner = property(property(shape, 'def'), 'innerType');
  return inner === undefined ? shape : unwrap(inner);
}

function property(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function show(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? `"${String(value).slice(0, 100)}"`
    : Array.isArray(value)
      ? 'a list'
      : 'an object';
}
