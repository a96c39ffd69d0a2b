// Who keeps what for how long: the instance's policy, and the projects that differ from it.
import { policyOf, type ProjectRetention, type RetentionPolicy } from '#core/retention.js';
import type { Database } from '../database.js';

export class Policies {
  private constructor(
    private readonly instance: RetentionPolicy,
    private readonly own: ReadonlyMap<string, RetentionPolicy>,
  ) {}

  static async read(db: Database, instance: RetentionPolicy): Promise<Policies> {
    const { rows } = await db.query<{ name: string; retention: ProjectRetention }>(
      `SELECT name, settings->'retention' AS retention FROM project WHERE settings ? 'retention'`,
    );
    return new Policies(instance, new Map(rows.map(({ name, retention }) => [name, policyOf(retention, instance)])));
  }

  /** A project that does not say, or is gone, follows the instance. */
  of(projectName: string): RetentionPolicy {
    return this.own.get(projectName) ?? this.instance;
  }

  /** All that are in force. */
  all(): RetentionPolicy[] {
    return [this.instance, ...this.own.values()];
  }

  /** Tells one state of them from another. */
  get mark(): string {
    return JSON.stringify([this.instance, [...this.own]]);
  }
}
