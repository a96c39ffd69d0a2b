// The examples of the documentation. Each works as it stands: Swagger UI sends them when a person presses Execute.

export const EXAMPLE_BUILD_ID = 'demo:0f8fad5b-d9cb-469f-a165-70867728950e';

export const EXAMPLE_PROJECT = {
  name: 'demo',
  description: 'A small Node library',
  source: {
    type: 'GIT',
    location: 'https://github.com/sindresorhus/slugify.git',
    gitCloneDepth: 1,
    buildspec: [
      'version: 0.2',
      'phases:',
      '  install:',
      '    commands:',
      '      - npm install',
      '  build:',
      '    commands:',
      '      - npm test',
      'artifacts:',
      '  files:',
      "    - 'index.js'",
      '',
    ].join('\n'),
  },
  environment: { environmentVariables: [{ name: 'CI', value: 'true', type: 'PLAINTEXT' }] },
  artifacts: { type: 'S3', packaging: 'ZIP' },
  timeoutInMinutes: 30,
} as const;

export const EXAMPLE_PROJECT_VIEW = {
  ...EXAMPLE_PROJECT,
  secondarySources: [],
  secondarySourceVersions: [],
  secondaryArtifacts: [],
  cache: { type: 'NO_CACHE' },
  environment: {
    type: 'LINUX_CONTAINER',
    image: 'kilnyard/standard:1.0',
    computeType: 'BUILD_GENERAL1_SMALL',
    environmentVariables: [{ name: 'CI', value: 'true', type: 'PLAINTEXT' }],
    privilegedMode: false,
  },
  queuedTimeoutInMinutes: 480,
  tags: [],
  priority: 0,
  created: '2026-01-05T09:00:00.000Z',
  lastModified: '2026-01-05T09:00:00.000Z',
} as const;

export const EXAMPLE_BUILD_VIEW = {
  id: EXAMPLE_BUILD_ID,
  projectName: 'demo',
  buildNumber: 1,
  buildStatus: 'IN_PROGRESS',
  buildComplete: false,
  currentPhase: 'QUEUED',
  phases: [
    {
      phaseType: 'SUBMITTED',
      phaseStatus: 'SUCCEEDED',
      startTime: '2026-01-05T09:01:00.000Z',
      endTime: '2026-01-05T09:01:00.010Z',
      durationInSeconds: 0,
      durationMs: 10,
      contexts: [],
    },
    { phaseType: 'QUEUED', startTime: '2026-01-05T09:01:00.010Z', contexts: [] },
  ],
  source: EXAMPLE_PROJECT.source,
  secondarySources: [],
  secondarySourceVersions: [],
  artifacts: {
    type: 'S3',
    packaging: 'ZIP',
    location: 'arn:aws:s3:::kilnyard/demo',
    link: `/v1/builds/${EXAMPLE_BUILD_ID}/artifacts/primary`,
  },
  secondaryArtifacts: [],
  cache: { type: 'NO_CACHE' },
  environment: EXAMPLE_PROJECT_VIEW.environment,
  timeoutInMinutes: 30,
  queuedTimeoutInMinutes: 480,
  priority: 0,
  startTime: '2026-01-05T09:01:00.000Z',
  initiator: 'admin',
  exportedEnvironmentVariables: [],
  logs: {
    location: `/v1/builds/${EXAMPLE_BUILD_ID}/log`,
    rawLocation: `/v1/builds/${EXAMPLE_BUILD_ID}/log/raw`,
  },
  attempt: 0,
  worker: null,
  imageDigest: null,
  cacheUse: null,
  cacheScope: null,
  reportIds: [],
  retryOf: null,
  batch: null,
  stopRequested: false,
  debugSession: { sessionEnabled: false, paused: null },
  waiting: { reason: 'NEXT', message: 'A worker takes it next.', position: 1 },
  log: {
    state: 'open',
    complete: false,
    location: 'DATABASE',
    expiredAt: null,
    lineCount: null,
    byteCount: null,
    sha256: null,
  },
  autoRetry: { limit: 0, number: 0 },
  attempts: [],
} as const;

export const EXAMPLE_BATCH_ID = 'demo:5f1c1c0e-6c0b-4f0e-9a55-0d5f0d1a7e11';

export const EXAMPLE_BATCH_BUILDSPEC = [
  'version: 0.2',
  'batch:',
  '  build-graph:',
  '    - identifier: compile',
  '    - identifier: test',
  '      depend-on: [compile]',
  '      env: {variables: {LEVEL: full}}',
  'phases:',
  '  build:',
  '    commands:',
  '      - echo "$CODEBUILD_BATCH_BUILD_IDENTIFIER"',
  '',
].join('\n');

export const EXAMPLE_BATCH_VIEW = {
  id: EXAMPLE_BATCH_ID,
  projectName: 'demo',
  buildBatchNumber: 1,
  buildBatchStatus: 'IN_PROGRESS',
  complete: false,
  currentPhase: 'DOWNLOAD_BATCHSPEC',
  phases: [
    {
      phaseType: 'SUBMITTED',
      phaseStatus: 'SUCCEEDED',
      startTime: '2026-01-05T09:01:00.000Z',
      endTime: '2026-01-05T09:01:00.000Z',
      durationInSeconds: 0,
      contexts: [],
    },
    { phaseType: 'DOWNLOAD_BATCHSPEC', startTime: '2026-01-05T09:01:00.000Z', contexts: [] },
  ],
  source: EXAMPLE_PROJECT.source,
  artifacts: { type: 'S3', packaging: 'ZIP', location: `/v1/batches/${EXAMPLE_BATCH_ID}/artifacts` },
  cache: { type: 'NO_CACHE' },
  environment: EXAMPLE_PROJECT_VIEW.environment,
  buildTimeoutInMinutes: 30,
  queuedTimeoutInMinutes: 480,
  priority: 0,
  buildBatchConfig: { timeoutInMins: 60 },
  startTime: '2026-01-05T09:01:00.000Z',
  deadline: '2026-01-05T10:01:00.000Z',
  initiator: 'admin',
  stopRequested: false,
  ending: null,
  counts: {},
  buildGroups: [
    {
      identifier: 'DOWNLOAD_SOURCE',
      dependsOn: [],
      ignoreFailure: false,
      status: 'IN_PROGRESS',
      currentBuildSummary: {
        id: EXAMPLE_BUILD_ID,
        requestedOn: '2026-01-05T09:01:00.000Z',
        buildStatus: 'IN_PROGRESS',
      },
      priorBuildSummaryList: [],
    },
  ],
} as const;

export const BATCH_PARAM = { id: { description: 'Id of the batch, `<project>:<uuid>`.', example: EXAMPLE_BATCH_ID } };

export const EXAMPLE_LOG_LINES = [
  { seq: 0, time: '2026-01-05T09:01:02.120Z', stream: 'system', text: '[Container] Entering phase INSTALL' },
  { seq: 1, time: '2026-01-05T09:01:02.130Z', stream: 'stdout', text: 'added 312 packages in 4s' },
] as const;

export const BUILD_PARAM = { id: { description: 'Id of the build, `<project>:<uuid>`.', example: EXAMPLE_BUILD_ID } };
