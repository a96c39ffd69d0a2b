// The only reader of process.env. One schema in sections; each app parses the sections it needs, once, at its start.
// Defaults, units and meaning stand beside each setting; .env.example is generated from here (a test keeps them equal).
import { z } from 'zod';
import type { Finding } from '#core/errors.js';

const text = z.string().trim().min(1);
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);
const yesNo = z.enum(['true', 'false']).transform((word) => word === 'true');
const list = z.string().transform((words) =>
  words
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== ''),
);
const url = (...schemes: string[]) =>
  z.string().refine((value) => schemes.some((scheme) => value.startsWith(`${scheme}://`)), {
    message: `a URL with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`,
  });

/** Every setting: its variable without KILNYARD_, its check, its default as text, and what it is for. */
export const SECTIONS = {
  http: {
    PORT: { schema: whole(0, 65535), default: '3000', about: 'Port of the API; 0 takes a free one.' },
    HOST: { schema: text, default: '127.0.0.1', about: 'Address that the API binds to.' },
    PUBLIC_URL: {
      schema: z.string(),
      default: '',
      about: 'URL under which people reach the API; empty: http://HOST:PORT.',
    },
    MAX_BODY_BYTES: {
      schema: whole(1024, 2 ** 30),
      default: '1048576',
      about: 'Largest JSON body that the API reads.',
    },
    MAX_UPLOAD_BYTES: {
      schema: whole(1024, 2 ** 40),
      default: '1073741824',
      about: 'Largest source archive that can be uploaded.',
    },
  },
  database: {
    DATABASE_URL: {
      schema: url('postgres', 'postgresql'),
      default: 'postgres://kilnyard:kilnyard@127.0.0.1:5432/kilnyard',
      about: 'Postgres, the only truth.',
    },
    DATABASE_POOL: { schema: whole(2, 200), default: '10', about: 'Connections per process.' },
  },
  redis: {
    REDIS_URL: {
      schema: url('redis', 'rediss'),
      default: 'redis://127.0.0.1:6379',
      about: 'Redis, the wake-ups; it may be emptied at any moment.',
    },
    REDIS_MODE: {
      schema: z.enum(['single', 'sentinel', 'cluster']),
      default: 'single',
      about:
        'One server, Sentinels that know the master, or a cluster; of REDIS_URL, user, password and TLS count in each.',
    },
    REDIS_NODES: {
      schema: list,
      default: '',
      about: "host:port of the Sentinels, or of some of the cluster's nodes; not for mode single.",
    },
    REDIS_SENTINEL_MASTER: { schema: text, default: 'mymaster', about: 'Name of the master with the Sentinels.' },
    REDIS_SENTINEL_PASSWORD: { schema: z.string(), default: '', about: 'Password of the Sentinels; empty: none.' },
    REDIS_CA_FILE: {
      schema: z.string(),
      default: '',
      about:
        'PEM file of the authority that signed the certificates of a rediss:// server; empty: those that Node trusts.',
    },
    QUEUE_PREFIX: { schema: text, default: 'kilnyard', about: 'Prefix of all keys in Redis.' },
  },
  storage: {
    DATA_DIR: {
      schema: text,
      default: '.kilnyard',
      about: 'Folder for mirrors and workspaces, and, with BLOBS=disk, for artifacts, caches and uploads.',
    },
    BLOBS: {
      schema: z.enum(['disk', 's3']),
      default: 'disk',
      about:
        'Where artifacts, caches and uploads lie: in DATA_DIR, or in a bucket that workers on several hosts share.',
    },
    S3_ENDPOINT: { schema: z.string(), default: '', about: 'URL of the S3-compatible server; empty: AWS.' },
    S3_REGION: { schema: text, default: 'us-east-1', about: 'Region of the bucket.' },
    S3_BUCKET: { schema: z.string(), default: '', about: 'The bucket, which must exist; needed with BLOBS=s3.' },
    S3_PREFIX: { schema: z.string(), default: '', about: 'Put before every key in the bucket.' },
    S3_ACCESS_KEY_ID: {
      schema: z.string(),
      default: '',
      about: "Key id for the bucket; empty: the AWS SDK's own chain (its variables, its files, the instance's role).",
    },
    S3_SECRET_ACCESS_KEY: { schema: z.string(), default: '', about: 'The secret of S3_ACCESS_KEY_ID.' },
    S3_PATH_STYLE: {
      schema: z.enum(['auto', 'true', 'false']),
      default: 'auto',
      about: "Bucket in the URL's path and not in its host name; auto: with S3_ENDPOINT.",
    },
    MASTER_KEY: {
      schema: z.string(),
      default: '',
      about: 'Key that seals parameters and secrets: 32 bytes in base64. Empty: read from MASTER_KEY_FILE.',
    },
    MASTER_KEY_FILE: {
      schema: text,
      default: '.kilnyard/master.key',
      about: 'File with the master key; made at the first start of `npm start`.',
    },
  },
  worker: {
    WORKER_SLOTS: { schema: whole(1, 256), default: '2', about: 'Builds that a worker runs at once.' },
    WORKER_FLEET: {
      schema: z.string().trim(),
      default: '',
      about:
        'Fleet that this worker is set aside for: it runs builds that ask for it and no others; empty: the common pool.',
    },
    WORKER_LABELS: {
      schema: list,
      default: '',
      about: 'What this worker has, for builds that ask for it, such as `gpu,arch=arm64`.',
    },
    WORKER_METRICS_PORT: {
      schema: whole(0, 65535),
      default: '0',
      about: 'Port for the /metrics and /health of the worker, on HOST; 0: none.',
    },
    LEASE_MS: {
      schema: whole(5_000, 600_000),
      default: '45000',
      about: 'How long a claim holds without being renewed.',
    },
    MIN_FREE_BYTES: {
      schema: whole(0, 2 ** 50),
      default: '1073741824',
      about: "Free space of the data folder's and the engine's disk below which a worker takes no builds.",
    },
    HOST_LOST_MS: {
      schema: whole(0, 86_400_000),
      default: '120000',
      about: 'How long after its lease ran out a running build waits for a worker of its Docker host to go on with it.',
    },
    DATABASE_AWAY_MS: {
      schema: whole(1_000, 86_400_000),
      default: '900000',
      about:
        'How long a running build waits for a database that takes nothing: away for longer, its worker lets it go; full for longer, it ends FAULT.',
    },
    SWEEP_MS: { schema: whole(500, 600_000), default: '5000', about: 'How often queue and leases are looked over.' },
    DISK_CHECK_MS: {
      schema: whole(500, 600_000),
      default: '10000',
      about: 'How often the disk use of a running build is looked at.',
    },
    PAUSE_LIMIT_MS: {
      schema: whole(1_000, 86_400_000),
      default: '3600000',
      about:
        'How long codebuild-breakpoint may hold a build; it goes on by itself then. Its timeout counts on meanwhile.',
    },
    DRAIN_GRACE_MS: {
      schema: whole(0, 86_400_000),
      default: '30000',
      about:
        'How long running builds may go on after a first SIGTERM before they are left for the next worker of this host; where one is there already, they pass to it at once.',
    },
  },
  docker: {
    DOCKER_SOCKET: {
      schema: z.string(),
      default: '',
      about: 'Socket of the Docker Engine; empty: DOCKER_HOST, else /var/run/docker.sock.',
    },
    BUILD_NETWORK: {
      schema: text,
      default: 'kilnyard',
      about: 'Docker network of the builds; made when missing, without a way between containers.',
    },
    NETWORK_DENY: {
      schema: list,
      default: '169.254.0.0/16,100.100.100.200/32,fd00:ec2::254/128',
      about: 'Addresses that no build may reach, beside the host itself.',
    },
    REQUIRE_FIREWALL: {
      schema: yesNo,
      default: 'true',
      about:
        'Take no builds while the way from builds to this host is open; false: take them and report the worker degraded.',
    },
    PRIVILEGED_PROJECTS: { schema: list, default: '', about: 'Projects that may ask for privilegedMode.' },
    SPOOL_LIMIT_BYTES: {
      schema: whole(2 ** 20, 2 ** 40),
      default: '268435456',
      about: 'Output not yet stored at which a build is paused until it is.',
    },
    REGISTRY_AUTH_FILE: {
      schema: z.string(),
      default: '',
      about: "Credentials of registries for all projects, in the form of Docker's config.json; empty: none.",
    },
    IMAGE_PULL_TIMEOUT_MS: {
      schema: whole(1_000, 86_400_000),
      default: '1800000',
      about: 'How long pulling an image may take, its retries with it.',
    },
    IMAGE_PULL_STALL_MS: {
      schema: whole(1_000, 3_600_000),
      default: '120000',
      about: 'A pull that hears nothing from the registry for so long is cut and tried again.',
    },
    IMAGE_PULL_ATTEMPTS: {
      schema: whole(1, 20),
      default: '4',
      about: 'How often a registry in trouble is asked in all; a refusal is not asked again.',
    },
    IMAGE_ACCESS_MS: {
      schema: whole(0, 3_600_000),
      default: '60000',
      about: "How long a registry's yes to a private image on this host holds for the same credential.",
    },
    WARM_IMAGES: {
      schema: list,
      default: '',
      about: 'Images that a worker pulls at its start and keeps up to date.',
    },
    WARM_IMAGES_MS: {
      schema: whole(10_000, 604_800_000),
      default: '3600000',
      about: 'How often the warm images are looked after.',
    },
    WAITING_MAX: {
      schema: whole(0, 1_000),
      default: '4',
      about: 'Containers that a worker keeps waiting for builds, of all images in use together; 0: none.',
    },
    WAITING_IDLE_MS: {
      schema: whole(1_000, 86_400_000),
      default: '600000',
      about: 'How long after its last build an image and compute type has containers waiting.',
    },
    WAITING_MIN_FREE_BYTES: {
      schema: whole(0, 2 ** 44),
      default: '536870912',
      about: 'No container waits while the host has less memory than this available.',
    },
    DEFAULT_IMAGE: { schema: text, default: 'kilnyard/standard:1.0', about: 'Image of a project that names none.' },
  },
  source: {
    SOURCE_MAX_BYTES: {
      schema: whole(2 ** 20, 2 ** 42),
      default: '10737418240',
      about: 'Largest repository or unpacked archive.',
    },
    SOURCE_TIMEOUT_MS: {
      schema: whole(1_000, 86_400_000),
      default: '1800000',
      about: 'How long fetching a source may take.',
    },
    SOURCE_LOCAL_PATHS: {
      schema: list,
      default: '',
      about: 'Folders under which local paths may be used as Git sources; empty: none.',
    },
  },
  logs: {
    LOG_LINE_BYTES: {
      schema: whole(256, 2 ** 24),
      default: '262144',
      about: 'Longest line; a longer one is cut into several that carry on.',
    },
    LOG_BUILD_BYTES: {
      schema: whole(2 ** 16, 2 ** 42),
      default: '1073741824',
      about: 'Longest log of one build; head and tail are kept, what is missing is counted.',
    },
    LOG_FLUSH_MS: {
      schema: whole(10, 10_000),
      default: '40',
      about: 'How long a line waits for company before it is stored.',
    },
    LOG_STREAM_BYTES: {
      schema: whole(2 ** 20, 2 ** 40),
      default: '16777216',
      about: 'What all live streams of one API process send together in a second, shared fairly.',
    },
    LOG_LEVEL: {
      schema: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
      default: 'info',
      about: 'Diagnostics of the service itself.',
    },
  },
  keep: {
    CLEANUP_MS: {
      schema: whole(1_000, 86_400_000),
      default: '600000',
      about: 'How often retention and budgets are looked after, first at the start of a worker.',
    },
    KEEP_BUILDS_DAYS: {
      schema: whole(0, 36_500),
      default: '365',
      about: 'Days that a build is kept; 0: for ever. A project may say otherwise, as of the next four.',
    },
    KEEP_BUILDS_COUNT: {
      schema: whole(0, 1_000_000),
      default: '10000',
      about: 'Builds of a project that are kept, the newest; 0: any number.',
    },
    KEEP_LOGS_DAYS: {
      schema: whole(0, 36_500),
      default: '90',
      about: 'Days that a log is kept, never longer than its build; 0: as long as that.',
    },
    KEEP_ARTIFACTS_DAYS: {
      schema: whole(0, 36_500),
      default: '30',
      about: 'Days that artifacts are kept; 0: as long as their build. Those of the newest success stay.',
    },
    KEEP_ARTIFACTS_COUNT: {
      schema: whole(0, 1_000_000),
      default: '0',
      about: 'Builds of a project whose artifacts are kept, the newest that have some; 0: any number.',
    },
    KEEP_REPORTS_DAYS: {
      schema: whole(0, 36_500),
      default: '30',
      about:
        'Days that a report is kept, never longer than its build; 0: as long as that. A report group may say otherwise.',
    },
    KEEP_REPORT_CASES: {
      schema: whole(0, 20_000),
      default: '1000',
      about: 'Test cases of a report that are kept, those that failed first; all are counted.',
    },
    LOG_ARCHIVE_AFTER_DAYS: {
      schema: whole(0, 36_500),
      default: '7',
      about:
        'Days after which sealed logs move from Postgres to where artifacts lie, and sooner those that keep others of their day from going; 0: none ever does.',
    },
    KEEP_UPLOADS_DAYS: {
      schema: whole(0, 36_500),
      default: '30',
      about: 'Days since its last use that an uploaded archive is kept which no project names; 0: for ever.',
    },
    CACHES_BYTES: {
      schema: whole(0, 2 ** 52),
      default: '53687091200',
      about: 'Caches of all projects together, least recently used go first; 0: no budget.',
    },
    CACHES_PROJECT_BYTES: {
      schema: whole(0, 2 ** 52),
      default: '10737418240',
      about: 'Caches of one project, least recently used go first; 0: no budget.',
    },
    CACHES_DAYS: {
      schema: whole(0, 36_500),
      default: '30',
      about: 'Days since its last use that a cache is kept; 0: for ever.',
    },
    MIRRORS_BYTES: {
      schema: whole(0, 2 ** 52),
      default: '21474836480',
      about: 'Mirrors of repositories on a host, least recently used go first; 0: no budget.',
    },
    IMAGES_BYTES: {
      schema: whole(0, 2 ** 52),
      default: '53687091200',
      about: 'Images that Kilnyard pulled onto a host, least recently used go first; 0: no budget.',
    },
  },
  access: {
    ADMIN_TOKEN: {
      schema: z.string(),
      default: '',
      about: 'A token with all rights, made known at start; empty: only tokens in the database count.',
    },
    METRICS_PUBLIC: {
      schema: z.enum(['true', 'false']).transform((word) => word === 'true'),
      default: 'false',
      about: 'Whether /metrics of the API answers without a token.',
    },
    QUEUE_MAX_WAITING: {
      schema: whole(1, 10_000_000),
      default: '100000',
      about: 'Builds that may wait in all; more are refused.',
    },
    IDEMPOTENCY_MINUTES: {
      schema: whole(1, 10_080),
      default: '1440',
      about: 'How long an Idempotency-Key is remembered.',
    },
  },
} as const;

export type SectionName = keyof typeof SECTIONS;
type Camel<S extends string> = S extends `${infer A}_${infer B}` ? `${Lowercase<A>}${CamelTail<B>}` : Lowercase<S>;
type CamelTail<S extends string> = S extends `${infer A}_${infer B}`
  ? `${Capitalize<Lowercase<A>>}${CamelTail<B>}`
  : Capitalize<Lowercase<S>>;
export type Section<N extends SectionName> = {
  readonly [K in keyof (typeof SECTIONS)[N] as Camel<K & string>]: (typeof SECTIONS)[N][K] extends {
    schema: infer S extends z.ZodType;
  }
    ? z.output<S>
    : never;
};
export type Settings<N extends SectionName = SectionName> = { readonly [K in N]: Section<K> };

/** A wrong setting stops the start with all problems at once. */
export class SettingsError extends Error {
  constructor(readonly findings: Finding[]) {
    super(
      `settings are wrong:\n${findings.map((f) => `  ${f.field}: expected ${f.expected}, got ${f.got}`).join('\n')}`,
    );
    this.name = 'SettingsError';
  }
}

/**
 * Reads the named sections from the environment.
 * In: variables by name (process.env). Out: frozen settings, camelCase (`KILNYARD_LEASE_MS` is `worker.leaseMs`).
 * Errors: SettingsError with every wrong value; a value is never printed when its name says KEY, TOKEN, SECRET, PASSWORD or URL.
 */
export function readSettings<N extends SectionName>(
  env: Readonly<Record<string, string | undefined>>,
  ...names: N[]
): Settings<N> {
  const findings: Finding[] = [];
  const settings: Record<string, Record<string, unknown>> = {};
  for (const name of names) {
    const section: Record<string, unknown> = {};
    for (const [key, field] of Object.entries(SECTIONS[name]) as [string, { schema: z.ZodType; default: string }][]) {
      const variable = `KILNYARD_${key}`;
      const given = env[variable];
      const result = field.schema.safeParse(given === undefined || given === '' ? field.default : given);
      if (result.success) section[camel(key)] = result.data;
      else
        findings.push({
          field: variable,
          expected: result.error.issues.map((i) => i.message).join('; '),
          got: shown(key, given ?? ''),
        });
    }
    settings[name] = Object.freeze(section) as Record<string, unknown>;
  }
  if (findings.length > 0) throw new SettingsError(findings);
  return Object.freeze(settings) as Settings<N>;
}

function camel(key: string): string {
  return key.toLowerCase().replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function shown(key: string, value: string): string {
  return /KEY|TOKEN|SECRET|PASSWORD|URL/.test(key) ? 'a value that does not fit' : JSON.stringify(value.slice(0, 100));
}
