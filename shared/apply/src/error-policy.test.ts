import type { ErrorPolicy } from '@millrace/contract/sink.js';
import { describe, expect, test } from 'vitest';
import { type Conflict, judge, type Verdict } from './error-policy.js';

const CONFLICTS: readonly Conflict[] = ['insert-duplicate', 'update-missing', 'delete-missing', 'refused'];

function policyOf(action: ErrorPolicy['data']): ErrorPolicy {
  return { data: action, insertConflict: action, updateConflict: action, deleteConflict: action };
}

describe("the policy judges conflicts in DMS's words", () => {
  const rows: readonly (readonly [ErrorPolicy['data'], readonly Verdict[]])[] = [
    ['LOG_ERROR', ['set-aside', 'set-aside', 'set-aside', 'set-aside']],
    ['IGNORE_RECORD', ['set-aside', 'set-aside', 'set-aside', 'set-aside']],
    ['SUSPEND_TABLE', ['suspend', 'suspend', 'suspend', 'suspend']],
    ['STOP_TASK', ['stop', 'stop', 'stop', 'stop']],
    ['UPDATE_RECORD', ['overwrite', 'set-aside', 'set-aside', 'set-aside']],
    ['INSERT_RECORD', ['set-aside', 'insert', 'set-aside', 'set-aside']],
  ];
  test.each(rows)('%s', (action, verdicts) => {
    expect(CONFLICTS.map((conflict) => judge(conflict, policyOf(action)))).toEqual(verdicts);
  });

  test('each kind of conflict has its own word', () => {
    const policy: ErrorPolicy = {
      data: 'LOG_ERROR',
      insertConflict: 'UPDATE_RECORD',
      updateConflict: 'INSERT_RECORD',
      deleteConflict: 'STOP_TASK',
    };
    expect(CONFLICTS.map((conflict) => judge(conflict, policy))).toEqual(['overwrite', 'insert', 'stop', 'set-aside']);
  });

  test('a table that no longer takes changes is suspended whatever the policy says', () => {
    expect(judge('table-changed', policyOf('STOP_TASK'))).toBe('suspend');
  });
});
