// The engine's journal in memory: where the build stands, and what it left behind.
import type { Artifact } from '#core/build.js';
import { isFinal, type FinalStatus, type PhaseContext } from '#core/phase.js';
import { RETRY_RULES, retryRule, type RetryRule } from '#core/retry.js';
import { PHASE_STATUS_OF, transition, type BuildState, type TransitionEvent } from '#core/transitions.js';
import { BuildJournal } from '#engine/ports.js';

const BEGINNING: BuildState = { status: 'IN_PROGRESS', phase: 'PROVISIONING', failing: false };

export class LocalJournal extends BuildJournal {
  readonly artifacts: Artifact[] = [];
  /** Why the latest attempt ended badly, for people: of the phase that failed first. Empty while all goes well. */
  lastFailure = '';
  private state = BEGINNING;
  private failure: PhaseContext | null = null;
  private buildspecRetries = 0;
  private readonly past = Object.fromEntries(RETRY_RULES.map((rule) => [rule, 0])) as Record<RetryRule, number>;

  /** Call before each attempt. */
  begin(): void {
    this.state = BEGINNING;
    this.failure = null;
    this.lastFailure = '';
    this.buildspecRetries = 0;
    this.artifacts.length = 0;
  }

  /** As the store does it: a build that has failed gets another attempt, as often as its buildspec wishes. */
  async apply(event: TransitionEvent, contexts: PhaseContext[]): Promise<BuildState> {
    const next = transition(this.state, event);
    this.note(event, contexts); // while the state still names the phase
    const again = isFinal(next.status) && this.wantsAnother(next.status, contexts[0] ?? null);
    this.state = again ? transition(this.state, 'RETRY') : next;
    return this.state;
  }

  async addArtifact(artifact: Artifact): Promise<void> {
    this.artifacts.push(artifact);
  }

  // Of these the log tells, and nobody asks for them afterwards.
  async setResolvedSource(): Promise<void> {}
  async setImage(): Promise<void> {}
  async setExportedVariables(): Promise<void> {}
  async setCache(): Promise<void> {}

  private note(event: TransitionEvent, contexts: readonly PhaseContext[]): void {
    if (event === 'RETRY' || PHASE_STATUS_OF[event] === 'SUCCEEDED') return;
    for (const { retryLimit = 0 } of contexts) this.buildspecRetries = Math.max(this.buildspecRetries, retryLimit);
    if (event === 'FAIL_CONTINUE' || this.failure !== null) return;
    this.failure = contexts[0] ?? null;
    const { phase } = this.state;
    this.lastFailure = [phase, this.failure?.statusCode, this.failure?.message].filter(Boolean).join(' ');
  }

  private wantsAnother(status: FinalStatus, own: PhaseContext | null): boolean {
    const { buildspecRetries } = this;
    const context = status === 'FAILED' ? (this.failure ?? own) : own;
    // a start that was lost is not made up for: there is no other engine that could do better
    const end = { status, context, handedOver: true, buildspecRetries, givenBack: false, stopRequested: false };
    const rule = retryRule(end, {}, this.past);
    if (rule !== null) this.past[rule] += 1;
    return rule !== null;
  }
}
