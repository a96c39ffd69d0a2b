// The engine's journal on the store: every write under the build's lease.
import type { BatchPlan } from '#core/batch.js';
import type { Artifact, CacheUse, ExportedVariable, Lease, Pause, ResumedBy } from '#core/build.js';
import type { Clock } from '#core/clock.js';
import type { PhaseContext } from '#core/phase.js';
import type { BuildState, TransitionEvent } from '#core/transitions.js';
import { BuildJournal, type PhaseNote } from '#engine/ports.js';
import type { BuildsStore } from '#store/builds.store.js';
import { whileAway } from './while-away.js';

export class StoreJournal extends BuildJournal {
  constructor(
    private readonly builds: BuildsStore,
    private readonly lease: Lease,
    private readonly clock: Clock,
    private readonly awayMs: number,
  ) {
    super();
  }

  apply(event: TransitionEvent, contexts: PhaseContext[], at: Date): Promise<BuildState> {
    return this.write(() => this.builds.apply(this.lease, event, contexts, at));
  }

  override applyAll(notes: readonly PhaseNote[]): Promise<BuildState> {
    return this.write(() => this.builds.applyAll(this.lease, notes));
  }

  override handingOver(): Promise<void> {
    return this.write(() => this.builds.setHandedOver(this.lease));
  }

  setResolvedSource(version: string): Promise<void> {
    return this.write(() => this.builds.setResolvedSource(this.lease, version));
  }

  setImage(digest: string): Promise<void> {
    return this.write(() => this.builds.setImage(this.lease, digest));
  }

  setExportedVariables(variables: ExportedVariable[]): Promise<void> {
    return this.write(() => this.builds.setExportedVariables(this.lease, variables));
  }

  setCache(use: CacheUse): Promise<void> {
    return this.write(() => this.builds.setCache(this.lease, use));
  }

  addArtifact(artifact: Artifact): Promise<void> {
    return this.write(() => this.builds.addArtifact(this.lease, artifact));
  }

  override setPaused(pause: Pause): Promise<void> {
    return this.write(() => this.builds.setPaused(this.lease, pause));
  }

  override setResumed(number: number, by: ResumedBy): Promise<void> {
    return this.write(() => this.builds.setResumed(this.lease, number, by));
  }

  override setBatchPlan(plan: BatchPlan): Promise<void> {
    return this.write(() => this.builds.setBatchPlan(this.lease, plan));
  }

  private write<T>(work: () => Promise<T>): Promise<T> {
    return whileAway(this.clock, this.awayMs, work);
  }
}
