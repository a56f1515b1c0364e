/**
 * The environment that makes a Millrace process end itself by SIGKILL when it reaches the named place for the n-th time
 * (`crashPoint(name)` in shared/telemetry). Everything before that place has happened, nothing after it.
 */
export function crashAt(point: string, occurrence = 1): { readonly MILLRACE_CRASH_AT: string } {
  return { MILLRACE_CRASH_AT: `${point}:${occurrence}` };
}

/** The same for a whole run, whose workers inherit it and are started again: the first to get there crashes and leaves the file. */
export function crashOnceAt(
  point: string,
  file: string,
): { readonly MILLRACE_CRASH_AT: string; readonly MILLRACE_CRASH_ONCE: string } {
  return { MILLRACE_CRASH_AT: point, MILLRACE_CRASH_ONCE: file };
}
