// The summary of a plan as the API answers it. Shapes only; libs/buildspec/src/plan-summary.ts makes it.
import { z } from 'zod';
import { COMMAND_PHASES } from '#core/phase.js';
import { BATCH_KINDS } from '#buildspec/batch-spec.js';
import { REPORT_FORMATS } from '#core/report.js';

const artifactShape = {
  files: z.array(z.string()),
  excludePaths: z.array(z.string()),
  baseDirectory: z.string().nullable(),
  discardPaths: z.boolean(),
  name: z.string().nullable(),
  enableSymlinks: z.boolean(),
};

export const planSummary = z
  .object({
    version: z.enum(['0.1', '0.2']),
    shell: z.enum(['sh', 'bash']),
    phases: z
      .array(
        z.object({
          phaseType: z.enum(COMMAND_PHASES),
          commands: z.int().meta({ description: 'How many.' }),
          finally: z.int().meta({ description: 'How many.' }),
          runAs: z.string().nullable().meta({ description: 'The Linux user; null: root.' }),
          onFailure: z.enum(['DEFAULT', 'ABORT', 'CONTINUE', 'RETRY']),
        }),
      )
      .meta({ description: 'Those that the buildspec lists, in the order in which they run.' }),
    variables: z.array(z.string()).meta({ description: 'Names alone, of plain values, parameters and secrets.' }),
    exportedVariables: z.array(z.string()),
    runtimeVersions: z.array(z.object({ name: z.string(), version: z.string() })),
    artifacts: z.object(artifactShape).nullable(),
    secondaryArtifacts: z.array(z.object({ identifier: z.string(), ...artifactShape })),
    cache: z
      .object({
        paths: z.array(z.string()),
        key: z.string().nullable(),
        fallbackKeys: z.array(z.string()),
        action: z.enum(['both', 'restore', 'save']),
      })
      .nullable(),
    reports: z.array(z.object({ group: z.string(), fileFormat: z.enum(REPORT_FORMATS), files: z.array(z.string()) })),
    batch: z
      .object({
        kind: z.enum(BATCH_KINDS),
        tasks: z.array(z.object({ identifier: z.string(), dependOn: z.array(z.string()) })),
      })
      .nullable(),
  })
  .meta({ id: 'PlanSummary', description: 'What the buildspec would do; no values and no commands.' });
