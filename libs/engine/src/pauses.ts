// A build that codebuild-breakpoint holds: tells the journal, and hands a wish to go on to the program that waits in the sandbox.
// What begins and ends a pause stands in the events file, so a worker that goes on with the build finds it there. Made by run-build.ts.
import type { Pause } from '#core/build.js';
import type { Sandbox } from './backend/backend.js';
import type { BuildRun } from './build-run.js';
import type { PauseEvent } from './phases/script-watch.js';
import { resumeLine } from './script/events.js';

/** A wish to end a pause, from whoever hears of it to the run; the same wish may be told again and again. */
export class ResumeWish {
  #hear: (number: number) => void = () => undefined;

  /** In: the pause's number. */
  ask(number: number): void {
    this.#hear(number);
  }

  /** One run hears of it. */
  heardBy(hear: (number: number) => void): void {
    this.#hear = hear;
  }
}

export class Pauses {
  /** The pause that holds the build now. */
  #present: Pause | null = null;
  /** The last pause that was begun: each counts once. */
  #last = 0;
  /** The pause that is to end. */
  #asked = 0;
  /** The pause whose end was told, or is being told. */
  #told = 0;
  /** Writes to the journal, in order. */
  #written: Promise<void> = Promise.resolve();

  constructor(private readonly run: Pick<BuildRun, 'request' | 'ports' | 'fail'> & { sandbox: () => Sandbox | null }) {
    run.request.debug?.wish.heardBy((number) => {
      this.#asked = number;
      void this.#goOn();
    });
  }

  /** How long one may take; 0 where the build is not to be paused. */
  get limitMs(): number {
    const { debug, build } = this.run.request;
    return build.settings.debugSessionEnabled === true && debug !== undefined ? debug.pauseLimitMs : 0;
  }

  /** What the build's script tells; a stranger may have written it. */
  heard(event: PauseEvent): void {
    if (this.limitMs === 0) return;
    const { journal } = this.run.ports;
    if (event.kind === 'pause' && event.number > this.#last) {
      this.#last = event.number;
      const pause = this.#begun(event.number, event.at);
      this.#present = pause;
      this.#write(() => journal.setPaused(pause));
      void this.#goOn(); // for whoever goes on with a build the wish may be older than what it reads here
    }
    if (event.kind === 'resume' && event.number === this.#present?.number) {
      this.#present = null;
      this.#write(() => journal.setResumed(event.number, event.by));
    }
  }

  /** Resolves when all that was heard is written down. */
  settled(): Promise<void> {
    return this.#written;
  }

  /** The script's clock is the build's to set: it counts only between the build's start and now. */
  #begun(number: number, at: Date): Pause {
    const { clock } = this.run.ports;
    const { build, deadline } = this.run.request;
    const now = clock.now().getTime();
    const since = Math.min(Math.max(at.getTime(), (build.startedAt ?? build.queuedAt).getTime()), now);
    const until = Math.min(since + this.limitMs, deadline.getTime());
    return { number, since: new Date(since), until: new Date(until) };
  }

  /** A wish that could not be handed on is told again with the next renewal of the lease. */
  async #goOn(): Promise<void> {
    const number = this.#asked;
    if (number !== this.#present?.number || number === this.#told) return;
    this.#told = number;
    try {
      await this.run.sandbox()!.tell(resumeLine(number, 'api'));
    } catch (error) {
      this.#told = 0;
      this.run.ports.observer.bug?.(error);
    }
  }

  #write(work: () => Promise<void>): void {
    this.#written = this.#written.then(work).catch(this.run.fail);
  }
}
