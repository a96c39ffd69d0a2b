// A build of a small Git repository with a warm mirror, against `git clone` from the same server and `docker run`.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { specOf } from '../client.mjs';
import { dockerRun, timed } from '../docker-run.mjs';
import { IMAGE } from '../house.mjs';
import { inTurns } from '../statistics.mjs';
import { echoBuild } from './start.mjs';

export const about = 'POST -> first line with a small Git repository, mirror warm';
const FILES = 60;

export async function run({ house, quick }) {
  const { serveGit } = await import('#forge/git-http-backend.js');
  const folder = mkdtempSync(join(tmpdir(), 'kilnyard-bench-git-'));
  makeRepository(folder);
  const server = await serveGit({ root: join(folder, 'served') });
  try {
    const url = `${server.url}/small.git`;
    await house.worker();
    await house.client.project('start-git', [], { image: IMAGE, source: { type: 'GITHUB', location: url } });
    let clones = 0;
    const cloneAndRun = async () => {
      const into = join(folder, `clone-${(clones += 1)}`);
      const tookMs = (await timed('git', ['clone', '-q', url, into])) + (await dockerRun(IMAGE, ['echo', 'hi']));
      rmSync(into, { recursive: true });
      return tookMs;
    };
    const { ours, byHand } = await inTurns({
      ways: { ours: () => echoBuild(house.client, 'start-git'), byHand: cloneAndRun },
      rounds: quick ? 10 : 60,
      warmUps: 3,
      between: () => house.settled(),
    });
    return [
      {
        what: 'the same, small Git repository, mirror warm',
        unit: 'ms',
        samples: ours.map(({ firstLineMs }) => firstLineMs),
        baseline: { what: 'git clone from the same server + docker run', samples: byHand },
        target: { atMost: 0.35 },
      },
    ];
  } finally {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A bare repository of one commit: a buildspec and some source files, about 120 kB. */
function makeRepository(folder) {
  const [work, bare] = [join(folder, 'work'), join(folder, 'served/small.git')];
  mkdirSync(join(folder, 'served'));
  const git = (...args) => execFileSync('git', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  git('init', '-q', '--bare', '-b', 'main', bare);
  git('init', '-q', '-b', 'main', work);
  mkdirSync(join(work, 'src'));
  writeFileSync(join(work, 'buildspec.yml'), specOf(['echo hi']));
  for (let file = 0; file < FILES; file += 1)
    writeFileSync(join(work, 'src', `part-${file}.js`), `export const part${file} = ${file};\n`.repeat(60));
  git('-C', work, 'add', '.');
  git('-C', work, '-c', 'user.name=bench', '-c', 'user.email=bench@example.com', 'commit', '-q', '-m', 'first');
  git('-C', work, 'push', '-q', bare, 'main');
}
