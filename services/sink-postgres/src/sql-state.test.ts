import pg from 'pg';
import { describe, expect, test } from 'vitest';
import { failureKindOf, isConnectionLoss, serverFailureOf, targetError } from './sql-state.js';

function answer(code: string, message = 'no'): pg.DatabaseError {
  const error = new pg.DatabaseError(message, 0, 'error');
  error.code = code;
  return error;
}

describe('what a SQLSTATE means for a group', () => {
  test.each([
    ['40001', 'retry'],
    ['40P01', 'retry'],
    ['55P03', 'retry'],
    ['57014', 'retry'],
    ['57P01', 'retry'],
    ['53300', 'retry'],
    ['08006', 'retry'],
    ['25P03', 'retry'],
    ['23505', 'duplicate'],
    ['23P01', 'duplicate'],
    ['23503', 'data'],
    ['23502', 'data'],
    ['23514', 'data'],
    ['22001', 'data'],
    ['22003', 'data'],
    ['22P02', 'data'],
    ['54000', 'data'],
    ['P0001', 'data'],
    ['42P01', 'table'],
    ['42703', 'table'],
    ['0A000', 'table'],
    ['42501', 'operator'],
    ['53100', 'operator'],
    ['25006', 'operator'],
    ['99999', 'operator'],
    ['XX001', 'fatal'],
    ['25P02', 'fatal'],
  ])('%s: %s', (code, kind) => {
    expect(failureKindOf(code)).toBe(kind);
  });

  test('an ended session is known by its code, whatever language the server speaks', () => {
    expect(isConnectionLoss(answer('57P01', 'Verbindung wird abgebrochen'))).toBe(true);
    expect(isConnectionLoss(answer('23505'))).toBe(false);
    expect(isConnectionLoss(new Error('Connection terminated unexpectedly'))).toBe(true);
    expect(isConnectionLoss(Object.assign(new Error('read'), { code: 'ECONNRESET' }))).toBe(true);
  });

  test('an error that is no answer of the server has no SQLSTATE', () => {
    expect(serverFailureOf(new Error('x'))).toBeUndefined();
    expect(serverFailureOf(answer('23505'))).toMatchObject({ kind: 'duplicate', sqlState: '23505' });
  });

  test.each([
    [answer('25006'), 'TARGET_READ_ONLY'],
    [answer('42501'), 'TARGET_RIGHTS'],
    [answer('53100'), 'TARGET_DISK_FULL'],
    [answer('40P01'), 'TARGET_BUSY'],
    [answer('57P01'), 'TARGET_CONNECTION_LOST'],
    [answer('42P01'), 'TARGET_STATEMENT_FAILED'],
    [new TypeError('x'), 'INTERNAL'],
  ])('is reported by a code with a remedy: %s', (error, code) => {
    expect(targetError(error, 'testing')).toMatchObject({ code, cause: error });
  });
});
