// Loaded into API and worker by `npm run bench -- --profile` (node --import): profiles the process's CPU from its start to its end and
// leaves a .cpuprofile, which Chromium's developer tools and editors show. (NODE_OPTIONS takes no --cpu-prof.)
import { mkdirSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { basename, dirname, join } from 'node:path';

const folder = process.env.KILNYARD_BENCH_PROFILES;
// apps/api/src/main.js: the name of the app stands two folders up
const name = basename(dirname(dirname(process.argv[1] ?? 'x/x/node')));
if (folder) {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: 500 });
  session.post('Profiler.start');
  process.on('exit', () => {
    session.post('Profiler.stop', (error, answer) => {
      if (error) return;
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, `${name}-${process.pid}.cpuprofile`), JSON.stringify(answer.profile));
    });
  });
}
