/** AWS DMS's words. */
export type MigrationType = 'full-load' | 'cdc' | 'full-load-and-cdc';

/** Why a run ended: the last line of `--json` and the exit code follow from it. */
export type StopReason = 'loaded' | 'caught-up' | 'signal' | 'refused' | 'fenced' | 'failed';

/**
 * Who claims a task's journal or target: one run, however often it starts its workers anew. A newer run fences an older one; a run
 * that has `held` the claim and finds it with another run is fenced, and never takes it back.
 */
export interface Claimant {
  readonly run: string;
  readonly held: boolean;
}

/** Topic names of a task: its stream's journal, its load, its dead letters. */
export interface TaskTopics {
  readonly journal: string;
  readonly load: string;
  readonly deadLetters: string;
}
