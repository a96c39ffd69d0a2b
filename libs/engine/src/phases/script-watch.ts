// Follows what a build's script tells while it runs, for the phases that wait for it.
import type { CommandPhase } from '#core/phase.js';
import { readEvent, type ScriptEvent } from '../script/events.js';

export type Finish = Extract<ScriptEvent, { kind: 'finish' }>;

export type PauseEvent = Extract<ScriptEvent, { kind: 'pause' | 'resume' }>;

export class ScriptWatch {
  /** User code may have run. */
  started = false;
  /** The image lacks this, which the buildspec asks for. */
  unusable: string | null = null;
  /** Exit status of the process that stores the output, where it ended before the script: what came after is not stored. */
  pumpEnded: number | null = null;
  readonly exported = new Map<string, string>();
  readonly expanded = new Map<number, string>();
  private readonly finished = new Map<CommandPhase, Finish>();
  private over = false;
  private waiters: (() => void)[] = [];

  /** In: `onPause` hears of the build's pauses and their ends, in the order in which they are told; it must not throw. */
  constructor(private readonly onPause: (event: PauseEvent) => void = () => undefined) {}

  /** Reads until the events end; a failure to read counts as their end (the sandbox's own exit tells why). */
  async follow(lines: AsyncIterable<string>): Promise<void> {
    try {
      for await (const line of lines) {
        const event = readEvent(line);
        if (event !== null) this.take(event);
        if (event?.kind === 'end') return;
      }
    } finally {
      this.over = true;
      this.wake();
    }
  }

  /** The end of a phase, or null when the script ended without it. Errors: the signal's reason. */
  async phase(phase: CommandPhase, signal: AbortSignal): Promise<Finish | null> {
    await this.until(() => this.over || this.finished.has(phase), signal);
    return this.finished.get(phase) ?? null;
  }

  /** All that the script will tell is told. */
  end(signal: AbortSignal): Promise<void> {
    return this.until(() => this.over, signal);
  }

  private take(event: ScriptEvent): void {
    if (event.kind === 'start') this.started = true;
    if (event.kind === 'pump') this.pumpEnded ??= event.exitCode;
    if (event.kind === 'unusable') this.unusable = event.what;
    // the first word counts: later ones may come from the build's own commands
    if (event.kind === 'finish' && !this.finished.has(event.phase)) this.finished.set(event.phase, event);
    if (event.kind === 'pause' || event.kind === 'resume') this.onPause(event);
    if (event.kind === 'value' && event.of === 'export') this.exported.set(event.id, event.text);
    if (event.kind === 'value' && event.of === 'expand') this.expanded.set(Number(event.id), event.text);
    this.wake();
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }

  private async until(done: () => boolean, signal: AbortSignal): Promise<void> {
    while (!done()) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        const awake = (): void => {
          signal.removeEventListener('abort', awake);
          resolve();
        };
        this.waiters.push(awake);
        signal.addEventListener('abort', awake, { once: true });
      });
    }
  }
}
