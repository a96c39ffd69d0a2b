// The faults that the suite can inject and the builds that it runs, by name.

/** In the order of the report. */
export const FAULT_KINDS = [
  'kill-worker',
  'roll-worker',
  'pause-worker',
  'restart-workers',
  'kill-api',
  'restart-api',
  'flush-redis',
  'restart-redis',
  'cut-redis',
  'restart-postgres',
  'crash-postgres',
  'cut-postgres',
  'stall-postgres',
  'kill-engine',
  'kill-container',
  'kill-attempt',
  'full-disk',
  'garbage',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** What each does, for `--help` and the documentation. */
export const ABOUT: Readonly<Record<FaultKind, string>> = {
  'kill-worker': 'a worker is killed (SIGKILL) and started again a moment later',
  'roll-worker': 'a new worker starts beside one with builds running, which then gets SIGTERM',
  'pause-worker': 'a worker is stopped (SIGSTOP) until its leases have run out, then goes on',
  'restart-workers': 'all workers get SIGTERM, a second one a moment later, and start again',
  'kill-api': 'the API is killed and started again',
  'restart-api': 'the API is stopped (SIGTERM) and started again',
  'flush-redis': 'Redis is emptied',
  'restart-redis': 'Redis is restarted, and forgets all',
  'cut-redis': 'Redis cannot be reached for some seconds',
  'restart-postgres': 'Postgres shuts down fast and starts again',
  'crash-postgres': 'Postgres shuts down at once (SIGQUIT), and recovers from its log',
  'cut-postgres': 'connections to Postgres break and are refused for some seconds',
  'stall-postgres': 'connections to Postgres stay, and nothing goes through them for some seconds',
  'kill-engine': 'dockerd is killed and started again; containers live on',
  'kill-container': 'the container of a running build is killed from outside',
  'kill-attempt': 'the same, of a build that has another attempt',
  'full-disk': "the disk of the workers' data folder is full for some seconds",
  garbage: 'a build cuts, fills or forges its own control files',
};

export const BUILD_KINDS = [
  'quiet',
  'chatty',
  'bursts',
  'unfinished',
  'secret',
  'failing',
  'timed-out',
  'stopped',
  'artifact',
  'phases',
  'long',
  'victim',
  'retried',
  'writer',
  'vandal',
] as const;
export type BuildKind = (typeof BUILD_KINDS)[number];

/** `--only kill-worker,flush-redis`. Errors: an unknown name, with those there are. */
export function readKinds(text: string): FaultKind[] {
  return text.split(',').map((word) => {
    const kind = FAULT_KINDS.find((name) => name === word.trim());
    if (kind === undefined) throw new Error(`there is no fault ${word}; there are ${FAULT_KINDS.join(', ')}`);
    return kind;
  });
}
