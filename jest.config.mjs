// Four projects, by what they need: unit (nothing), db (Postgres), scenario (Postgres, Redis, API + worker), docker (a Docker Engine).
// scripts/test.mjs starts what they need and hands the addresses over in KILNYARD_TEST_*.
const shared = {
  rootDir: import.meta.dirname ?? new URL('.', import.meta.url).pathname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
          keepClassNames: true,
        },
        module: { type: 'es6' },
      },
    ],
  },
  moduleNameMapper: {
    '^#([a-z]+)/(.*)\\.js$': '<rootDir>/libs/$1/src/$2.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.kilnyard/', '<rootDir>/examples/'],
  watchPathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.kilnyard/'],
};

export default {
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/{apps,libs}/**/*.spec.ts',
        '<rootDir>/test/faults/**/*.spec.ts',
        '<rootDir>/scripts/**/*.spec.mjs',
      ],
      testPathIgnorePatterns: ['\\.(db|docker|scenario)\\.spec\\.ts$', '/node_modules/', '/dist/'],
    },
    { ...shared, displayName: 'db', testMatch: ['<rootDir>/{apps,libs}/**/*.db.spec.ts'] },
    { ...shared, displayName: 'scenario', testMatch: ['<rootDir>/test/scenarios/**/*.spec.ts'] },
    {
      ...shared,
      displayName: 'docker',
      testMatch: ['<rootDir>/{apps,libs,test}/**/*.docker.spec.ts', '<rootDir>/test/docker/**/*.spec.ts'],
    },
  ],
};
