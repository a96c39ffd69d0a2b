// Lays out what is delivered: the sources and the modules they need, with a note of where they come from.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
for (const path of ['src', 'node_modules', 'package.json']) cpSync(path, `dist/${path}`, { recursive: true });
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const build = {
  version,
  commit: process.env.CODEBUILD_RESOLVED_SOURCE_VERSION ?? 'unknown',
  build: process.env.CODEBUILD_BUILD_ID ?? 'local',
};
writeFileSync('dist/build.json', `${JSON.stringify(build, null, 2)}\n`);
console.log(`dist/ is ready: hello-node ${version}`);
