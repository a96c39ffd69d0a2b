// The direction of imports, as docs/architecture.md draws it. Each room names the rooms it may use; all else is an error.
const MAY_USE = {
  core: [],
  buildspec: ['core'],
  engine: ['core', 'buildspec'], // buildspec is pure: docs/decisions/0009
  reports: ['core'],
  store: ['core'],
  queue: ['core'],
  blobs: ['core'],
  source: ['core'],
  forge: ['core'],
  images: ['core'],
  aws: ['core'],
  config: ['core'], // the shape of a finding alone
  observe: [],
  upkeep: ['core', 'store', 'queue', 'observe'],
};
/** Beside code, and not of it: they may use libs/testing and what they test through. */
const TESTS = '\\.(spec|contract)\\.ts$|^test/|^libs/testing/|/testing(/|\\.ts$)';

const rooms = Object.entries(MAY_USE).map(([room, others]) => ({
  name: `direction-of-${room}`,
  comment: `libs/${room} may use ${others.length === 0 ? 'no other room' : others.map((other) => `libs/${other}`).join(', ')}`,
  severity: 'error',
  from: { path: `^libs/${room}/`, pathNot: TESTS },
  to: { path: '^(libs|apps)/', pathNot: `^libs/(${[room, ...others].join('|')})/` },
}));

const without = (room, packages) => ({
  name: `${room}-is-plain`,
  comment: `libs/${room} knows nothing of ${packages}`,
  severity: 'error',
  from: { path: `^libs/${room}/`, pathNot: TESTS },
  to: { path: `(^|node_modules/)(${packages})(/|$)` },
});

module.exports = {
  forbidden: [
    ...rooms,
    {
      name: 'testing-only-from-tests',
      comment: 'libs/testing is for tests',
      severity: 'error',
      from: { pathNot: TESTS },
      to: { path: '^libs/testing/|/testing(/|\\.ts$)' },
    },
    {
      name: 'apps-stand-apart',
      comment: 'an app imports libs, never another app',
      severity: 'error',
      from: { path: '^apps/([^/]+)/', pathNot: TESTS },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    without('core', '@nestjs|@prisma|bullmq|ioredis|dockerode|pg|fs|node:fs|child_process'),
    without('buildspec', '@nestjs|@prisma|bullmq|ioredis|dockerode|pg|fs|node:fs|child_process'),
    without('reports', '@nestjs|@prisma|bullmq|ioredis|dockerode|pg|fs|node:fs|child_process'),
    without('engine', '@nestjs|@prisma|bullmq|ioredis|pg'),
    without('store', '@nestjs|bullmq|ioredis|dockerode'),
    {
      name: 'no-circles',
      severity: 'error',
      from: { pathNot: 'generated/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'resolvable', severity: 'error', from: { path: '^(apps|libs|test)/' }, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: ['node_modules', 'dist', 'libs/store/src/generated'] },
    exclude: { path: ['^dist/', 'libs/store/src/generated/'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['kilnyard-source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
