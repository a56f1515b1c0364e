/** AWS DMS's words. */
export type MigrationType = 'full-load' | 'cdc' | 'full-load-and-cdc';

/** Why a run ended: the last line of `--json` and the exit code follow from it. */
export type StopReason = 'loaded' | 'caught-up' | 'signal' | 'refused' | 'fenced' | 'failed';

/** Topic names of a task: its stream's journal, its load, its dead letters. */
export interface TaskTopics {
  readonly journal: string;
  readonly load: string;
  readonly deadLetters: string;
}
