/** Says one thing to the person who waits. */
export type Report = (line: string) => void;

/** Progress goes to stderr: stdout belongs to a program's result. */
export const reportToTerminal: Report = (line) => {
  process.stderr.write(`${line}\n`);
};

/** Repeats `line` with the time gone by while `work` lasts, so that a long download is not taken for a hang. */
export async function withProgress<T>(line: string, report: Report, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  report(line);
  const ticker = setInterval(() => report(`  … ${Math.round((performance.now() - start) / 1000)} s`), 10_000);
  try {
    return await work();
  } finally {
    clearInterval(ticker);
  }
}
