// The fault suite's run, from its arguments to its exit code. Called by scripts/faults.mjs, on the built project.
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { USAGE, readArguments, type RunArguments } from './arguments.js';
import { buildCase } from './builds.js';
import { Client } from './client.js';
import { drive, prepare } from './drive.js';
import { Findings, listed } from './findings.js';
import type { FaultKind } from './kinds.js';
import { hasItsFault, makePlan, type PlannedFault } from './plan.js';
import { Probe } from './probe.js';
import { reportOf } from './report.js';
import { RunningBuild } from './run-build.js';
import { ContainerCount } from './sandboxes.js';
import { openStage, type MakeImages, type Stage } from './stage/stage.js';
import { faultOf } from './verify-attempts.js';
import { verifyBuild } from './verify-build.js';
import { verifyEndedService, verifyRunningService } from './verify-service.js';

/** Largest seed that is drawn. */
const SEEDS = 1_000_000;
/** So many builds come to all workers, and find containers in both ways. */
const ENOUGH_BUILDS = 12;

interface Surroundings {
  /** Folder of the project: package.json and dist lie in it. */
  home: string;
  makeImages: MakeImages;
  say: (line: string) => void;
  /** Aborted by Ctrl-C: what was started is ended, and the run counts as failed. */
  interrupt: AbortSignal;
}

/** Out: the exit code. */
export async function main(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const read = readArguments(args, () => randomInt(SEEDS));
  if (read === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  const findings = new Findings();
  const complaints: string[] = [];
  const complain = (what: string): void => void complaints.push(what);
  surroundings.say(`seed ${read.seed}`);
  const stage = await openStage({ ...surroundings, complain });
  let wrong = true;
  try {
    const text = await perform(read, stage, { ...surroundings, findings, complaints, complain });
    wrong = findings.violations.length > 0;
    await writeFile(join(stage.folder, 'report.txt'), text);
    process.stdout.write(text);
    if (read.report !== undefined) await writeFile(read.report, JSON.stringify(numbersOf(findings)));
  } finally {
    await stage.close(wrong || read.keep);
    if (wrong || read.keep) surroundings.say(`logs and data of the run: ${stage.folder}`);
  }
  return wrong ? 1 : 0;
}

async function perform(
  asked: RunArguments,
  stage: Stage,
  run: Surroundings & { findings: Findings; complaints: string[]; complain: (what: string) => void },
): Promise<string> {
  const { say, findings, complaints, complain, interrupt } = run;
  const client = new Client(stage.kilnyard.url, stage.kilnyard.token, complain);
  const plan = makePlan(asked);
  const faults = plan.faults.filter(({ kind }) => isPossible(kind, stage));
  const cases = plan.builds.map((planned) => buildCase(planned, stage.image));
  const builds = cases.map((planned) => new RunningBuild(planned, client));
  await prepare(cases, client, stage);
  say(`${builds.length} builds, ${faults.length} faults`);

  const beganAt = Date.now();
  const ended = new AbortController();
  const giveUp = (): void => ended.abort();
  // no AbortSignal.timeout: Node 20 forgets one that only AbortSignal.any knows
  const timer = setTimeout(giveUp, asked.minutes * 60_000);
  interrupt.addEventListener('abort', giveUp);
  if (interrupt.aborted) giveUp();
  const { signal } = ended;
  const over = new AbortController();
  const probe = new Probe(client, () => builds, complain);
  const probing = probe.run(over.signal);
  const containers = new ContainerCount(stage.kilnyard.dataDir);
  const counting = containers.run(over.signal);
  const step = asked.verbose ? say : () => undefined;
  const struck = await drive({ seed: asked.seed, builds, faults, stage, client, say: step, complain, signal, giveUp });
  clearTimeout(timer);
  over.abort();
  await Promise.all([probing, counting]);

  say('verifying');
  for (const build of builds) await verifyBuild(build, client, findings);
  await verifyRunningService(stage, builds.length, findings);
  findings.note('nothing ended that was not ended', listed(stage.kilnyard.crashed()));
  await stage.closeKilnyard();
  await verifyEndedService(stage, findings);
  findings.note('the API and the workers did as they should all the time', listed(complaints, 20));
  noteFaults(faults, struck, builds, findings);
  if (builds.length >= ENOUGH_BUILDS) noteContainers(containers, findings);
  return reportOf({
    seed: asked.seed,
    seconds: Math.round((Date.now() - beganAt) / 1000),
    builds: builds.map(({ planned, view }) => ({ kind: planned.kind, status: view?.buildStatus ?? 'NOT ENDED' })),
    endedByFullDisk: builds.filter(({ view }) => view !== null && faultOf(view.phases) === 'STORAGE_FULL').length,
    faults: faults.map((fault) => ({ kind: fault.kind, injected: struck.get(fault) === true })),
    findings,
    probe,
    containers,
  });
}

function isPossible(kind: FaultKind, stage: Stage): boolean {
  return (kind !== 'kill-engine' || stage.engine !== null) && (kind !== 'full-disk' || stage.disk !== null);
}

/** A kind of which none struck has proved nothing; one whose build the full disk had ended before could not. */
function noteFaults(
  faults: readonly PlannedFault[],
  struck: ReadonlyMap<PlannedFault, boolean>,
  builds: readonly RunningBuild[],
  findings: Findings,
): void {
  const could = faults.filter((fault) => {
    const { planned, mayHaveMetFullDisk } = builds[fault.when.build - 1]!;
    const spoiled = mayHaveMetFullDisk && fault.kind !== 'full-disk' && hasItsFault(planned.kind);
    return struck.get(fault) === true || !spoiled;
  });
  for (const kind of new Set(could.map((fault) => fault.kind))) {
    const some = could.some((fault) => fault.kind === kind && struck.get(fault) === true);
    findings.note(`${kind} was injected`, some ? null : 'it never struck');
  }
}

/** Builds that find their container and builds that have it made take different ways: a run must have seen both. */
function noteContainers({ waited, made }: ContainerCount, findings: Findings): void {
  findings.note('builds found a container that waited', waited > 0 ? null : 'none did');
  findings.note('builds had a container made', made > 0 ? null : 'none had');
}

function numbersOf({ all, violations }: Findings): { passed: number; failed: number; violations: string[] } {
  return {
    passed: all.length - violations.length,
    failed: violations.length,
    violations: violations.map(({ name, wrong }) => `${name}: ${wrong}`),
  };
}
