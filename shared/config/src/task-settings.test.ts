import { expect, test } from 'vitest';
import { parseTaskSettings } from './task-settings.js';

const problem = (settings: unknown): unknown => {
  try {
    return parseTaskSettings(JSON.stringify(settings), 's.json');
  } catch (error) {
    return error;
  }
};

test('without a file the defaults are those of the documentation', () => {
  expect(parseTaskSettings(null, '')).toMatchObject({ preparation: 'DO_NOTHING', ignored: [] });
});

test('settings that AWS DMS knows and that mean nothing here are accepted and listed, groups that are null too', () => {
  const parsed = parseTaskSettings(
    JSON.stringify({
      TargetMetadata: { SupportLobs: true },
      CharacterSetSettings: null,
      ErrorBehavior: null,
      FullLoadSettings: { CommitRate: 10_000 },
    }),
    's.json',
  );
  expect(parsed.ignored).toEqual(['FullLoadSettings.CommitRate', 'TargetMetadata']);
});

test.each([
  [{ FullLoadSetting: {} }, '"FullLoadSetting" is not a task setting; did you mean FullLoadSettings?'],
  [{ FullLoadSettings: { TargetTablePrepmode: 'DO_NOTHING' } }, 'did you mean FullLoadSettings.TargetTablePrepMode?'],
  [{ ErrorBehavior: { Nonsense: 1 } }, '"ErrorBehavior.Nonsense" is not a task setting'],
  [{ FullLoadSettings: { TargetTablePrepMode: 'DO_NOTHIN' } }, 'FullLoadSettings.TargetTablePrepMode'],
  [{ FullLoadSettings: { MaxFullLoadSubTasks: '8' } }, 'FullLoadSettings.MaxFullLoadSubTasks'],
  [[], 'the file'],
])("%j is refused by the setting's name", (settings, named) => {
  expect(problem(settings)).toMatchObject({ code: 'TASK_SETTINGS_INVALID', message: expect.stringContaining(named) });
});
