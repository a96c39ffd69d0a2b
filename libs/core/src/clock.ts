// Time is injected, so that tests own it.

export abstract class Clock {
  abstract now(): Date;
  /** Resolves after `ms`, or rejects with the signal's reason when it aborts first. */
  abstract sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
