// The engine's seal for what it keeps of a run on this worker's disk: the master key, bound to the build and its attempt.
import type { Lease } from '#core/build.js';
import { RecordSeal } from '#engine/ports.js';
import { seal, unseal, type MasterKey } from '#store/seal.js';

export class MasterKeySeal extends RecordSeal {
  private readonly place: { kind: string; name: string };

  constructor(
    private readonly key: MasterKey,
    lease: Lease,
  ) {
    super();
    this.place = { kind: 'run', name: `${lease.buildId}/${lease.attempt}` };
  }

  seal(text: string): Buffer {
    return seal(this.key, this.place, text);
  }

  open(sealed: Buffer): string {
    return unseal(this.key, this.place, sealed);
  }
}
