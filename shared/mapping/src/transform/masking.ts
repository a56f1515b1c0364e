import { randomInt } from 'node:crypto';
import type { Value } from '@millrace/contract/row.js';
import type { LogicalType } from '@millrace/contract/table.js';
import { sha256 } from '../expression/scalar-functions.js';
import type { Masking } from '../rule.js';
import type { PresentValue } from './convert.js';

const HASH_LENGTH = 64;

/** What keeps a masking rule from a column of this type (DMS, "Using data masking to hide sensitive information"); null: nothing. */
export function maskingProblem(masking: Masking, type: LogicalType): string | null {
  const text = type.kind === 'text';
  switch (masking.kind) {
    case 'digits-mask':
      return text
        ? null
        : 'digits are masked in text columns only; put a change-data-type rule to "string" with a lower rule-id before it';
    case 'digits-randomize':
      return text || type.kind === 'integer' || type.kind === 'decimal'
        ? null
        : 'digits are randomized in text, integer and numeric columns only';
    case 'hash':
      if (!text) return 'text columns only are hashed; put a change-data-type rule to "string" with a lower rule-id before it';
      if (type.maxLength === null || type.maxLength >= HASH_LENGTH) return null;
      return `the hash has ${HASH_LENGTH} characters and the column holds ${type.maxLength}; add a change-data-type rule to "string" of length ${HASH_LENGTH}`;
  }
}

/** Whether equal values stay equal and different ones different, so that a key can be masked so. */
export function keepsKeys(masking: Masking): boolean {
  return masking.kind === 'hash';
}

export function isRandom(masking: Masking): boolean {
  return masking.kind === 'digits-randomize';
}

export function mask(masking: Masking, value: PresentValue, type: LogicalType): Value {
  switch (masking.kind) {
    case 'digits-mask':
      return String(value).replace(/[0-9]/g, () => masking.character);
    case 'digits-randomize':
      return randomize(value, type);
    case 'hash':
      return sha256(Buffer.from(String(value), 'utf8'));
  }
}

function randomize(value: PresentValue, type: LogicalType): Value {
  if (type.kind !== 'integer') return String(value).replace(/[0-9]/g, () => String(randomInt(10)));
  const limit = (2n ** BigInt(type.bits - 1) - 1n).toString();
  const digits = String(value).replace('-', '');
  // As many digits as the type's largest value: a first digit below that one's keeps the result within the type.
  const first = digits.length < limit.length ? 10 : Number(limit[0] ?? '1');
  const masked = digits.replace(/[0-9]/g, (_, index: number) => String(randomInt(index === 0 ? first : 10)));
  const result = String(value).startsWith('-') ? -BigInt(masked) : BigInt(masked);
  return type.bits === 64 ? result : Number(result);
}
