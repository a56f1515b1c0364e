const LOOK_EVERY_MS = 500;

/**
 * npm 11's `npx` dies of a SIGTERM without passing it on: a run that npx started watches for its parent's end and then stops
 * as on SIGTERM, so that no orphan goes on replicating. Returns a function that ends the watch.
 */
export function stopWithParent(stop: () => void): () => void {
  if (process.env['npm_command'] !== 'exec') return () => undefined;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid !== parent) stop();
  }, LOOK_EVERY_MS);
  watch.unref();
  return () => clearInterval(watch);
}
