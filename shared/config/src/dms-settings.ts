/** Task settings that AWS DMS documents ("Specifying task settings"), by group; an empty group holds settings of no interest here. */
const DMS_SETTINGS: Readonly<Record<string, string>> = {
  TargetMetadata:
    'TargetSchema SupportLobs FullLobMode LobChunkSize LimitedSizeLobMode LobMaxSize InlineLobMaxSize LoadMaxFileSize ParallelLoadThreads ParallelLoadBufferSize ParallelLoadQueuesPerThread ParallelApplyThreads ParallelApplyBufferSize ParallelApplyQueuesPerThread BatchApplyEnabled TaskRecoveryTableEnabled',
  FullLoadSettings:
    'TargetTablePrepMode CreatePkAfterFullLoad StopTaskCachedChangesApplied StopTaskCachedChangesNotApplied MaxFullLoadSubTasks TransactionConsistencyTimeout CommitRate',
  Logging: '',
  ControlTablesSettings: '',
  StreamBufferSettings: 'StreamBufferCount StreamBufferSizeInMB CtrlStreamBufferSizeInMB',
  ChangeProcessingTuning:
    'BatchApplyPreserveTransaction BatchApplyTimeoutMin BatchApplyTimeoutMax BatchApplyMemoryLimit BatchSplitSize MinTransactionSize CommitTimeout MemoryLimitTotal MemoryKeepTime StatementCacheSize RecoveryTimeout',
  ChangeProcessingDdlHandlingPolicy: 'HandleSourceTableDropped HandleSourceTableTruncated HandleSourceTableAltered',
  LoopbackPreventionSettings: '',
  CharacterSetSettings: '',
  BeforeImageSettings: 'EnableBeforeImage FieldName ColumnFilter',
  ErrorBehavior:
    'DataErrorPolicy DataTruncationErrorPolicy DataMaskingErrorPolicy DataErrorEscalationPolicy DataErrorEscalationCount EventErrorPolicy TableErrorPolicy TableErrorEscalationPolicy TableErrorEscalationCount RecoverableErrorCount RecoverableErrorInterval RecoverableErrorThrottling RecoverableErrorThrottlingMax RecoverableErrorStopRetryAfterThrottlingMax ApplyErrorDeletePolicy ApplyErrorInsertPolicy ApplyErrorUpdatePolicy ApplyErrorEscalationPolicy ApplyErrorEscalationCount ApplyErrorFailOnTruncationDdl FullLoadIgnoreConflicts FailOnTransactionConsistencyBreached FailOnNoTablesCaptured',
  ValidationSettings: '',
  TTSettings: '',
  PostProcessingRules: '',
  FailTaskWhenCleanTaskResourceFailed: '',
};

/** Names the first key that DMS does not know, with the one that was probably meant; null: there is none. */
export function misspeltSetting(settings: unknown): string | null {
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) return null;
  for (const [group, value] of Object.entries(settings)) {
    const known = DMS_SETTINGS[group];
    if (known === undefined) return unknownKey(group, Object.keys(DMS_SETTINGS));
    if (known === '' || typeof value !== 'object' || value === null) continue;
    const names = known.split(' ');
    const misspelt = Object.keys(value).find((name) => !names.includes(name));
    if (misspelt !== undefined)
      return unknownKey(
        `${group}.${misspelt}`,
        names.map((name) => `${group}.${name}`),
      );
  }
  return null;
}

function unknownKey(key: string, known: readonly string[]): string {
  const [nearest] = known
    .map((name) => ({ name, edits: editsBetween(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const hint = nearest !== undefined && nearest.edits <= 4 ? `; did you mean ${nearest.name}?` : '';
  return `"${key}" is not a task setting${hint}`;
}

/** Levenshtein's distance. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      next.push(Math.min((row[j] ?? 0) + (letter === other ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
